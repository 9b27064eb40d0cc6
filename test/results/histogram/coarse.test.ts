// Tests histograms in few buckets: their length is bounded, sums are exact, figures close, and what Prometheus gets of
// them is what it gets of the full ones.
import { expect, it } from "vitest";
import { bucketsOf, bucketsOfCoarse } from "../../../src/output/prometheus/buckets.js";
import { coarsen, longestCoarse, sumOfCoarse } from "../../../src/results/histogram/coarse.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";

/** Values from 1 µs to 100 s, as many in each doubling. */
function spread(seed: number): Histogram {
  const histogram = new Histogram();
  for (let n = 1; n <= 5000; n++) histogram.record(10 ** (((n * seed * 0.618) % 1) * 8), n % 7);
  return histogram;
}

it("adds up to the figures of all values, within 2.2%", () => {
  const parts = [spread(1), spread(2), spread(3)];
  const whole = new Histogram();
  for (const part of parts) whole.add(part);
  const merged = sumOfCoarse(parts.map((part) => coarsen([part])));
  expect(merged.counts).toEqual(sumOfCoarse([coarsen(parts)]).counts);
  expect(merged.count).toBe(whole.count);
  for (const percent of [1, 50, 90, 99, 99.9, 100]) {
    const [exact, close] = [whole.percentile(percent), merged.percentile(percent)];
    expect(close).toBeGreaterThanOrEqual(exact);
    expect(close).toBeLessThanOrEqual(Math.max(exact * 1.022, exact + 1));
  }
});

it("has the same counts up to each bound of Prometheus's buckets", () => {
  const histogram = spread(5);
  const coarse = coarsen([histogram]);
  const buckets = bucketsOfCoarse(coarse);
  expect(buckets.upTo).toEqual(bucketsOf(histogram).upTo);
  expect(buckets).toEqual(bucketsOf(sumOfCoarse([coarse])));
  expect(Math.abs(buckets.sum / bucketsOf(histogram).sum - 1)).toBeLessThan(0.022);
});

it("is short, however many values there are, and ignores buckets that do not exist", () => {
  const full = new Histogram();
  full.counts.fill(1);
  const coarse = coarsen([full]);
  expect(coarse).toHaveLength(longestCoarse());
  expect(longestCoarse()).toBeLessThan(2100);
  expect(sumOfCoarse([coarse]).count).toBe(full.count);
  expect(sumOfCoarse([[10, 1, 1e9, 5]]).count).toBe(1);
  expect(coarsen([new Histogram()])).toEqual([]);
});
