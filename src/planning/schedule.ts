// The pacer's arithmetic: how many connections may have been started (or be open) at a moment of the run.
// It knows no clock and starts nothing.

/** Go from where the last stage ended to `target` connections in `durationMs`. */
export interface Stage {
  readonly durationMs: number;
  readonly target: number;
}

/** What a run wants to have open at each moment. */
export interface Schedule {
  /** When the last stage ends, in milliseconds; 0 for a run without a pace. */
  readonly endMs: number;
  /** The most connections it ever wants. */
  readonly peak: number;
  /** Moments whose wish must not be stepped over: the ends of stages. */
  readonly turnsMs: readonly number[];
  /** Connections wanted `elapsedMs` after the start. */
  wantedAt(elapsedMs: number): number;
}

/**
 * @param connections how many in all
 * @param ratePerSec connections to start a second; undefined for as fast as they go
 */
export function steadySchedule(connections: number, ratePerSec?: number): Schedule {
  if (ratePerSec === undefined) return { endMs: 0, peak: connections, turnsMs: [], wantedAt: () => connections };
  return {
    endMs: (connections / ratePerSec) * 1000,
    peak: connections,
    turnsMs: [],
    // The first is due at once, as a person with a rate of one in ten seconds expects.
    wantedAt: (elapsedMs) => Math.min(connections, Math.floor((elapsedMs / 1000) * ratePerSec) + 1),
  };
}

/** Straight lines from stage to stage, up or down, beginning with none. */
export function stagedSchedule(stages: readonly Stage[]): Schedule {
  let endMs = 0;
  const turnsMs = stages.map((stage) => {
    endMs += stage.durationMs;
    return endMs;
  });
  return {
    endMs,
    turnsMs,
    peak: Math.max(...stages.map((stage) => stage.target)),
    wantedAt(elapsedMs) {
      let from = 0;
      let startMs = 0;
      for (const { durationMs, target } of stages) {
        if (elapsedMs < startMs + durationMs) {
          return Math.floor(from + ((target - from) * (elapsedMs - startMs)) / durationMs);
        }
        from = target;
        startMs += durationMs;
      }
      return from;
    },
  };
}
