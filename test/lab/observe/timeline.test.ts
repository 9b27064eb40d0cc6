// Tests the labels of moments above the charts over time.
import { expect, it } from "vitest";
import { momentsOf, rateOf, timelineOf } from "../../../dist/lab/observe/timeline.js";
import type { ConnectResult } from "../../../dist/results/connect.js";

it.each([
  [{ setupMs: 100, rampMs: 200, holdMs: 10_000, closeMs: 50 }, ["ramp done", "closing"]],
  [{ setupMs: 284, rampMs: 37, holdMs: 18, closeMs: 230 }, ["ramp done"]],
  [{ setupMs: 284, rampMs: 37, holdMs: 45, closeMs: 230 }, ["ramp done"]],
])("overlapping labels are omitted: %j", (times, names) => {
  expect(momentsOf(times as ConnectResult).map(({ name }) => name)).toEqual(names);
});

it("the rate has no peaks from samples taken shortly after others", () => {
  const times = [0, 50, 100, 101, 150, 200, 250, 252];
  // A connection each millisecond, but two in the last sample's 2 ms come together with another five.
  const samples = times.map((elapsedMs) => ({ elapsedMs, established: elapsedMs === 252 ? 257 : elapsedMs }));
  const points = rateOf({ samples } as unknown as ConnectResult).lines[0]!.points;
  expect(points.map(([x]) => x)).toEqual([0, 50, 101, 150, 200, 252]);
  for (const [, rate] of points) expect(rate).toBeLessThan(1200);
  // The mean is that of the ramp.
  const established = points.slice(1).reduce((sum, [x], n) => sum + ((x - points[n]![0]) / 1000) * points[n]![1], 0);
  expect(established).toBeCloseTo(257);
});

it("connections that close at the end need no line of their own, those that close before do", () => {
  const linesOf = (open: readonly number[]) => {
    const samples = open.map((each, index) => ({ elapsedMs: 100 * index, open: each, established: 100, failed: 0 }));
    const times = { setupMs: 0, rampMs: 100, holdMs: 150, closeMs: 200 };
    return timelineOf({ samples, ...times } as unknown as ConnectResult).lines.map(({ name }) => name);
  };
  // The agents of a fleet close one after the other.
  expect(linesOf([100, 100, 100, 50, 0])).toEqual(["open"]);
  expect(linesOf([100, 100, 90, 50, 0])).toEqual(["open", "ESTABLISHED so far"]);
});
