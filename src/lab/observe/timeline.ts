// Plots a run's samples over time: the number of connections and the rate of opening them.
import type { ConnectResult, RunSample } from "../../results/connect.js";
import type { SeriesEvidence } from "../../results/lab/evidence.js";

/** Maximum number of steps in the rate plot. Finer steps would show sampling artifacts. */
const MAX_STEPS = 60;
const TIME = { name: "time since the start", unit: "ms" } as const;

/**
 * Returns open connections over time. If some connections closed in between, adds a line for all that were
 * ESTABLISHED, and if there are failures, a line for those.
 */
export function timelineOf({ samples, setupMs, rampMs, holdMs }: ConnectResult): SeriesEvidence {
  const line = (name: string, of: (sample: RunSample) => number) => ({
    name,
    points: samples.map((sample) => [sample.elapsedMs, of(sample)] as const),
  });
  const last = samples.at(-1);
  // The last sample may come before the computed end, because the times of a fleet's agents differ.
  const closesAt = setupMs + rampMs + holdMs;
  const isStaged = samples.some(
    ({ open, established, elapsedMs }, index) =>
      index < samples.length - 1 && elapsedMs < closesAt && open < established,
  );
  return {
    kind: "series",
    title: "Connections over time",
    x: TIME,
    y: { name: "connections", unit: "" },
    lines: [
      line("open", ({ open }) => open),
      ...(last && last.failed > 0 ? [line("failed so far", ({ failed }) => failed)] : []),
      ...(isStaged ? [line("ESTABLISHED so far", ({ established }) => established)] : []),
    ],
  };
}

/**
 * Returns connections ESTABLISHED per second, from the last sample without any to the sample after which no more were
 * established.
 */
export function rateOf({ samples }: ConnectResult): SeriesEvidence {
  const end = samples.findIndex(({ established }) => established === samples.at(-1)!.established);
  const start = samples.findLastIndex(({ established }, index) => index < end && established === 0);
  const ramp = samples.slice(Math.max(start, 0), Math.max(end, 1) + 1);
  const step = Math.ceil(ramp.length / MAX_STEPS);
  const kept = spaced(ramp.filter((_, index) => index % step === 0 || index === ramp.length - 1));
  const points = kept.slice(1).map((sample, index) => {
    const before = kept[index]!;
    const seconds = Math.max(sample.elapsedMs - before.elapsedMs, 1) / 1000;
    return [before.elapsedMs, (sample.established - before.established) / seconds] as const;
  });
  const last = kept.at(-1)!;
  return {
    kind: "series",
    title: "Rate over time",
    x: TIME,
    y: { name: "connections per second", unit: "" },
    // Extends the last step to its end.
    lines: [{ name: "ESTABLISHED per second", points: [...points, [last.elapsedMs, points.at(-1)?.[1] ?? 0]] }],
  };
}

/** Omits samples that follow another after less than half the usual time, whose rates would be those of single events. */
function spaced(samples: ConnectResult["samples"]): ConnectResult["samples"] {
  const gaps = samples.slice(1).map(({ elapsedMs }, index) => elapsedMs - samples[index]!.elapsedMs);
  const least = (gaps.toSorted((a, b) => a - b)[gaps.length >> 1] ?? 0) / 2;
  const kept: ConnectResult["samples"][number][] = [];
  // From the end, because the last sample has the final count.
  for (const sample of samples.toReversed()) {
    const after = kept.at(-1);
    if (after === undefined || sample === samples[0] || after.elapsedMs - sample.elapsedMs >= least) kept.push(sample);
  }
  return kept.reverse();
}

/** Labels closer together than this share of the axis overlap on a phone. */
const APART = 1 / 4;

/** Returns the times at which stages end. */
export function momentsOf({ setupMs, rampMs, holdMs, closeMs }: ConnectResult): { x: number; name: string }[] {
  const open = { x: setupMs + rampMs, name: "ramp done" };
  const isApart = holdMs > (open.x + holdMs + Math.max(0, closeMs)) * APART;
  return isApart ? [open, { x: open.x + holdMs, name: "closing" }] : [open];
}
