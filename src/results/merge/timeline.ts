// When parts of a run were what: their times of the wall clock, and their samples, each as a step that lasts until the next one.
import type { ConnectResult, RunSample } from "../connect.js";

/** More samples than this are thinned to as many even intervals. */
const MOST_SAMPLES = 600;

type Times = Pick<ConnectResult, "startedAt" | "setupMs" | "rampMs" | "holdMs" | "closeMs">;

/** The whole run's times: from the first part's start, over the first connect(), to the last end of each stage. */
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

/** The sum of both at every moment at which one of them was sampled. */
export function mergeSamples(a: Sampled, b: Sampled): RunSample[] {
  const startMs = Math.min(Date.parse(a.startedAt), Date.parse(b.startedAt));
  const [x, y] = [samplesSince(a, startMs), samplesSince(b, startMs)];
  const moments = [...new Set([...x, ...y].map(({ elapsedMs }) => elapsedMs))].sort((one, other) => one - other);
  let [i, j] = [0, 0];
  const sums = moments.map((elapsedMs) => {
    while (i < x.length && x[i]!.elapsedMs <= elapsedMs) i++;
    while (j < y.length && y[j]!.elapsedMs <= elapsedMs) j++;
    // Before a part's first sample it had nothing.
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

/** The last of each interval, and the first of all. */
function thin(samples: readonly RunSample[]): RunSample[] {
  const intervalMs = samples.at(-1)!.elapsedMs / (MOST_SAMPLES - 1);
  const intervalOf = (sample: RunSample) => Math.floor(sample.elapsedMs / intervalMs);
  return samples.filter((sample, n) => {
    const next = samples[n + 1];
    return n === 0 || next === undefined || intervalOf(next) !== intervalOf(sample);
  });
}
