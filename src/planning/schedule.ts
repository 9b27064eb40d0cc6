// Computes how many connections should have been started, or be open, at a given time. Schedules have no clock and
// start nothing.

/** A linear ramp from the end of the previous stage to `target` connections, within `durationMs`. */
export interface Stage {
  readonly durationMs: number;
  readonly target: number;
}

/** Computes the number of connections wanted over time. */
export interface Schedule {
  /** End of the last stage in milliseconds; 0 for a run without a rate. */
  readonly endMs: number;
  /** Maximum number of connections. */
  readonly peak: number;
  /** Times whose wanted number must not be skipped: the ends of stages. */
  readonly turnsMs: readonly number[];
  /** Returns the number of connections wanted `elapsedMs` after the start. */
  wantedAt(elapsedMs: number): number;
}

/**
 * The part of a schedule whose connections take turns with those of other parts: with two parts at one connection a
 * second each, one starts every half second, not two every second.
 */
export interface Turn {
  readonly index: number;
  /** Number of parts. */
  readonly of: number;
}

const ALONE: Turn = { index: 0, of: 1 };

/**
 * @param connections total number
 * @param ratePerSec number of connections to start per second; undefined for as fast as possible
 */
export function steadySchedule(connections: number, ratePerSec?: number, turn = ALONE): Schedule {
  if (ratePerSec === undefined) return { endMs: 0, peak: connections, turnsMs: [], wantedAt: () => connections };
  // The first connection of all parts is due immediately, as users expect even at a rate of one per ten seconds.
  const lead = 1 - turn.index / turn.of;
  return {
    endMs: ((connections + 1 - lead) / ratePerSec) * 1000,
    peak: connections,
    turnsMs: [],
    wantedAt: (elapsedMs) => Math.min(connections, Math.floor((elapsedMs / 1000) * ratePerSec + lead)),
  };
}

/** Ramps linearly from stage to stage, up or down, starting at 0. */
export function stagedSchedule(stages: readonly Stage[], turn = ALONE): Schedule {
  // The number of connections that equal parts want together is then that of an undivided schedule, rounded down.
  const lead = (turn.of - 1 - turn.index) / turn.of;
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
          return Math.floor(from + ((target - from) * (elapsedMs - startMs)) / durationMs + lead);
        }
        from = target;
        startMs += durationMs;
      }
      return from;
    },
  };
}
