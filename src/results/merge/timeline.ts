// Merges the times of parts of a run by wall clock, and their samples, each of which is valid until the next.
import type { ConnectResult, RunSample } from "../connect.js";

/**
 * Maximum number of samples. If there are more samples, they are thinned to this many regular intervals.
 */
const MOST_SAMPLES = 600;

type Times = Pick<ConnectResult, "startedAt" | "setupMs" | "rampMs" | "holdMs" | "closeMs">;

/** Returns the times of the whole run: the earliest start and first connect(), and the latest end of each stage. */
export function mergeTimes(a: Times, b: Times): Times {
  const [x, y] = [momentsOf(a), momentsOf(b)];
  const startMs = Math.min(x.startMs, y.startMs);
  const begunMs = Math.min(x.begunMs, y.begunMs);
  const rampedMs = Math.max(x.rampedMs, y.rampedMs);
  const heldMs = Math.max(x.heldMs, y.heldMs);
  return {
    startedAt: new Date(startMs).toISOString(),
    setupMs: begunMs - startMs,
    rampMs: rampedMs - begunMs,
    holdMs: heldMs - rampedMs,
    closeMs: Math.max(x.closedMs, y.closedMs) - heldMs,
  };
}

function momentsOf({ startedAt, setupMs, rampMs, holdMs, closeMs }: Times) {
  const startMs = Date.parse(startedAt);
  const begunMs = startMs + setupMs;
  const rampedMs = begunMs + rampMs;
  const heldMs = rampedMs + holdMs;
  return { startMs, begunMs, rampedMs, heldMs, closedMs: heldMs + closeMs };
}

type Sampled = Pick<ConnectResult, "startedAt" | "samples">;

/** Returns the sum of both parts at each time at which either was sampled. */
export function mergeSamples(a: Sampled, b: Sampled): RunSample[] {
  const startMs = Math.min(Date.parse(a.startedAt), Date.parse(b.startedAt));
  const [x, y] = [samplesSince(a, startMs), samplesSince(b, startMs)];
  const moments = [...new Set([...x, ...y].map(({ elapsedMs }) => elapsedMs))].sort((one, other) => one - other);
  let [i, j] = [0, 0];
  const sums = moments.map((elapsedMs) => {
    while (i < x.length && x[i]!.elapsedMs <= elapsedMs) i++;
    while (j < y.length && y[j]!.elapsedMs <= elapsedMs) j++;
    // A part has no connections before its first sample.
    const [p, q] = [x[i - 1], y[j - 1]];
    const sum = (field: "open" | "established" | "failed") => (p?.[field] ?? 0) + (q?.[field] ?? 0);
    return { elapsedMs, open: sum("open"), established: sum("established"), failed: sum("failed") };
  });
  return sums.length <= MOST_SAMPLES ? sums : thin(sums);
}

function samplesSince({ startedAt, samples }: Sampled, startMs: number): RunSample[] {
  const laterMs = Date.parse(startedAt) - startMs;
  return samples.map((sample) => ({ ...sample, elapsedMs: sample.elapsedMs + laterMs }));
}

/** Keeps the first sample, and the last one of each interval. */
function thin(samples: readonly RunSample[]): RunSample[] {
  const intervalMs = samples.at(-1)!.elapsedMs / (MOST_SAMPLES - 1);
  const intervalOf = (sample: RunSample) => Math.floor(sample.elapsedMs / intervalMs);
  return samples.filter((sample, n) => {
    const next = samples[n + 1];
    return n === 0 || next === undefined || intervalOf(next) !== intervalOf(sample);
  });
}
