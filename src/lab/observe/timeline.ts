// A run's samples as lines over time: connections, and the rate at which they were opened.
import type { ConnectResult, RunSample } from "../../results/connect.js";
import type { SeriesEvidence } from "../../results/lab/evidence.js";

/** Steps of the rate at most: finer ones show the sampling, not the run. */
const MAX_STEPS = 60;
const TIME = { name: "time since the start", unit: "ms" } as const;

/** Open connections; what was ESTABLISHED in all where some had closed again, and what failed where something did. */
export function timelineOf({ samples }: ConnectResult): SeriesEvidence {
  const line = (name: string, of: (sample: RunSample) => number) => ({
    name,
    points: samples.map((sample) => [sample.elapsedMs, of(sample)] as const),
  });
  const last = samples.at(-1);
  const isStaged = samples.some(({ open, established }, index) => index < samples.length - 1 && open < established);
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

/** Connections ESTABLISHED per second, from the last moment without any to the one after which no more came. */
export function rateOf({ samples }: ConnectResult): SeriesEvidence {
  const end = samples.findIndex(({ established }) => established === samples.at(-1)!.established);
  const start = samples.findLastIndex(({ established }, index) => index < end && established === 0);
  const ramp = samples.slice(Math.max(start, 0), Math.max(end, 1) + 1);
  const step = Math.ceil(ramp.length / MAX_STEPS);
  const kept = ramp.filter((_, index) => index % step === 0 || index === ramp.length - 1);
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
    // The last step's end.
    lines: [{ name: "ESTABLISHED per second", points: [...points, [last.elapsedMs, points.at(-1)?.[1] ?? 0]] }],
  };
}

/** Names that are nearer to each other than this share of the axis overlap on a phone. */
const APART = 1 / 4;

/** Where one stage ends and the next begins. */
export function momentsOf({ setupMs, rampMs, holdMs, closeMs }: ConnectResult): { x: number; name: string }[] {
  const open = { x: setupMs + rampMs, name: "all settled" };
  const isApart = holdMs > (open.x + holdMs + Math.max(0, closeMs)) * APART;
  return isApart ? [open, { x: open.x + holdMs, name: "closing" }] : [open];
}
