// Latency histograms (HDR, node:perf_hooks): one a metric, recorded by all shards, read by the main thread.

import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import type { LatencySummary } from "../results/histogram/latency-summary.js";

const LONGEST_US = 3600e6;

/** A histogram of microseconds up to an hour, three digits kept. A copy sent to a thread records into the same one. */
export function createLatencyHistogram(): RecordableHistogram {
  return createHistogram({ lowest: 1, highest: LONGEST_US, figures: 3 });
}

export function summarizeLatency(histogram: RecordableHistogram): LatencySummary {
  const isEmpty = histogram.count === 0;
  const at = (percentile: number) => (isEmpty ? 0 : histogram.percentile(percentile));
  return {
    count: histogram.count,
    minUs: isEmpty ? 0 : histogram.min,
    meanUs: isEmpty ? 0 : Math.round(histogram.mean),
    p50Us: at(50),
    p90Us: at(90),
    p99Us: at(99),
    p999Us: at(99.9),
    maxUs: isEmpty ? 0 : histogram.max,
  };
}

/** From so many values on, adding histograms is faster than recording each. */
const WORTH_ADDING = 20_000;

/**
 * Records each value, in whole microseconds, as often as its count says. A histogram takes one value at a time, or all of another
 * histogram: so that millions cost no more than some dozens of additions.
 */
export function recordCounts(
  histogram: RecordableHistogram,
  values: readonly number[],
  counts: readonly number[],
): void {
  const most = Math.max(0, ...counts);
  if (most * counts.length < WORTH_ADDING) {
    values.forEach((value, n) => {
      for (let left = counts[n]!; left > 0; left--) histogram.record(value);
    });
    return;
  }
  // By binary digits, the highest first: what there is so far twice, and the values whose count has this digit.
  let sum = createLatencyHistogram();
  for (let digit = 2 ** Math.floor(Math.log2(most)); digit >= 1; digit /= 2) {
    const twice = createLatencyHistogram();
    twice.add(sum);
    twice.add(sum);
    values.forEach((value, n) => {
      if (Math.floor(counts[n]! / digit) % 2 === 1) twice.record(value);
    });
    sum = twice;
  }
  histogram.add(sum);
}

/** Microseconds as a histogram takes them: whole, at least 1. */
export function toMicros(value: number): number {
  return value < 1 ? 1 : value > LONGEST_US ? LONGEST_US : Math.round(value);
}
