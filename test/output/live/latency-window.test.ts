// Tests the latencies of an interval.
import { expect, it } from "vitest";
import { LatencyWindow } from "../../../src/output/live/latency-window.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";

function histogramOf(...values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

it("covers what was recorded since the last reading only", () => {
  const window = new LatencyWindow();
  expect(window.take(histogramOf())).toEqual([null, null, null]);
  expect(window.take(histogramOf(100, 200))).toEqual([100, 200, 200]);
  expect(window.take(histogramOf(100, 200))).toEqual([null, null, null]);
  expect(window.take(histogramOf(100, 200, 1000, 1000))).toEqual([1000, 1000, 1000]);
});

it("starts again after a reset", () => {
  const window = new LatencyWindow();
  window.take(histogramOf(100, 200, 300));
  expect(window.take(histogramOf(50))).toEqual([50, 50, 50]);
});
