// Tests the summary of a histogram in a result.
import { describe, expect, it } from "vitest";
import { Histogram } from "../../../src/results/histogram/histogram.js";
import { histogramOf, summarizeLatency } from "../../../src/results/histogram/summarize.js";

describe("a summary", () => {
  it("has only zeros if nothing was recorded", () => {
    expect(Object.values(summarizeLatency(new Histogram()))).toEqual(Array(8).fill(0));
  });

  it("keeps three digits of every percentile", () => {
    const histogram = new Histogram();
    for (let us = 1; us <= 10_000; us++) histogram.record(us);
    const { count, minUs, meanUs, p50Us, p90Us, p99Us, p999Us, maxUs } = summarizeLatency(histogram);
    expect([count, minUs]).toEqual([10_000, 1]);
    const close = (seen: number, wanted: number) => expect(Math.abs(seen - wanted) / wanted).toBeLessThan(0.002);
    close(meanUs, 5000.5);
    close(p50Us, 5000);
    close(p90Us, 9000);
    close(p99Us, 9900);
    close(p999Us, 9990);
    close(maxUs, 10_000);
  });

  it("contains the histogram", () => {
    const histogram = new Histogram();
    histogram.record(250, 7);
    expect(histogramOf(summarizeLatency(histogram))!.counts).toEqual(histogram.counts);
    expect(histogramOf(summarizeLatency(new Histogram()))!.count).toBe(0);
  });

  it("from an older version has no histogram", () => {
    const { histogram: _, ...older } = summarizeLatency(new Histogram());
    expect(histogramOf({ ...older, count: 3 })).toBeUndefined();
  });
});
