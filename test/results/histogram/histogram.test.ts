// Tests histograms against Node's (HdrHistogram's C implementation), and adding partial histograms.
import { createHistogram } from "node:perf_hooks";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BUCKETS,
  bucketOf,
  HIGHEST_US,
  highestIn,
  lowestIn,
  middleOf,
} from "../../../src/results/histogram/buckets.js";
import { Histogram, toMicros } from "../../../src/results/histogram/histogram.js";

const PERCENTS = [0.1, 10, 50, 90, 99, 99.9, 100];

/** Generates small and large values with equal frequency. */
const micros = fc.oneof(
  fc.integer({ min: 1, max: 5000 }),
  fc.integer({ min: 1, max: HIGHEST_US }),
  fc.integer({ min: 0, max: 31 }).map((power) => Math.min(2 ** power, HIGHEST_US)),
);

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

/** Returns the non-empty buckets with their counts. */
function recorded({ counts }: Histogram): [bucket: number, count: number][] {
  return [...counts.entries()].filter(([, count]) => count !== 0);
}

function foreignHistogramOf(values: readonly number[]) {
  const histogram = createHistogram({ lowest: 1, highest: HIGHEST_US, figures: 3 });
  for (const value of values) histogram.record(value);
  return histogram;
}

describe("the buckets", () => {
  it("are as narrow as three digits require", () => {
    fc.assert(
      fc.property(micros, (us) => {
        const bucket = bucketOf(us);
        expect(bucket).toBeLessThan(BUCKETS);
        expect(lowestIn(bucket)).toBeLessThanOrEqual(us);
        expect(highestIn(bucket)).toBeGreaterThanOrEqual(us);
        expect((highestIn(bucket) - lowestIn(bucket)) / us).toBeLessThan(0.001);
      }),
    );
  });

  it("follow one another without gaps or overlaps", () => {
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      expect(bucketOf(lowestIn(bucket))).toBe(bucket);
      expect(bucketOf(highestIn(bucket))).toBe(bucket);
      expect(bucketOf(middleOf(bucket))).toBe(bucket);
      if (bucket > 0) expect(lowestIn(bucket)).toBe(highestIn(bucket - 1) + 1);
    }
  });
});

describe("a histogram", () => {
  it("has the same figures as Node's", () => {
    fc.assert(
      fc.property(fc.array(micros, { minLength: 1, maxLength: 300 }), (values) => {
        const ours = histogramOf(values);
        const theirs = foreignHistogramOf(values);
        expect([ours.count, ours.min, ours.max]).toEqual([theirs.count, theirs.min, theirs.max]);
        expect(ours.mean).toBeCloseTo(theirs.mean, 3);
        expect(ours.percentiles(PERCENTS)).toEqual(PERCENTS.map((percent) => theirs.percentile(percent)));
      }),
    );
  });

  it("has only zeros if nothing was recorded", () => {
    const { count, min, max, mean } = new Histogram();
    expect([count, min, max, mean]).toEqual([0, 0, 0, 0]);
    expect(new Histogram().percentiles(PERCENTS)).toEqual(PERCENTS.map(() => 0));
  });

  it("accepts any number as a time between a microsecond and an hour", () => {
    const times = [-5, 0, 0.4, 1.5, 12.4, HIGHEST_US + 1, Number.POSITIVE_INFINITY, Number.NaN];
    expect(times.map(toMicros)).toEqual([1, 1, 1, 2, 12, HIGHEST_US, HIGHEST_US, 1]);
    const histogram = histogramOf(times);
    expect(histogram.count).toBe(times.length);
    expect(histogram.counts.length).toBe(BUCKETS);
  });

  it("records a value many times in one call", () => {
    const histogram = new Histogram();
    histogram.record(100, 9_000_000_000_000);
    histogram.record(2000, 1_000_000_000_000);
    expect([histogram.count, histogram.percentile(90), histogram.percentile(91)]).toEqual([1e13, 100, 2000]);
  });

  it("records into memory that other threads read", () => {
    const memory = new SharedArrayBuffer(BUCKETS * 8);
    new Histogram(new Float64Array(memory)).record(42);
    expect(new Histogram(new Float64Array(memory)).max).toBe(42);
  });
});

describe("adding histograms", () => {
  const values = fc.array(micros, { maxLength: 60 });
  const sumOf = (...parts: readonly Histogram[]) => {
    const sum = new Histogram();
    for (const part of parts) sum.add(part);
    return sum;
  };

  it("yields the histogram of all values, in any order and grouping", () => {
    fc.assert(
      fc.property(values, values, values, (a, b, c) => {
        const whole = recorded(histogramOf([...a, ...b, ...c]));
        const [x, y, z] = [histogramOf(a), histogramOf(b), histogramOf(c)];
        expect(recorded(sumOf(sumOf(x, y), z))).toEqual(whole);
        expect(recorded(sumOf(x, sumOf(y, z)))).toEqual(whole);
        expect(recorded(sumOf(z, y, x))).toEqual(whole);
      }),
      { numRuns: 20 },
    );
  });
});
