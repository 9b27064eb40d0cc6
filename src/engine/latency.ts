// Latency histograms (HDR, node:perf_hooks): one a metric, recorded by all shards, read by the main thread.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";

/** Microseconds; `count` is 0 when nothing was recorded, and then the rest is 0 too. */
export interface LatencySummary {
  readonly count: number;
  readonly minUs: number;
  readonly meanUs: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

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

/** A histogram takes one value at a time, or all of another histogram. */
const ONE_BY_ONE = 2000;

/** Records `value`, in whole microseconds, `count` times. */
export function recordMany(histogram: RecordableHistogram, value: number, count: number): void {
  if (count <= ONE_BY_ONE) {
    for (let n = 0; n < count; n++) histogram.record(value);
    return;
  }
  // 1, 2, 4, … of them, added where the count's binary digit is 1.
  let power = createLatencyHistogram();
  power.record(value);
  for (let left = count; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) histogram.add(power);
    const doubled = createLatencyHistogram();
    doubled.add(power);
    doubled.add(power);
    power = doubled;
  }
}

/** Microseconds as a histogram takes them: whole, at least 1. */
export function toMicros(value: number): number {
  return value < 1 ? 1 : value > LONGEST_US ? LONGEST_US : Math.round(value);
}
