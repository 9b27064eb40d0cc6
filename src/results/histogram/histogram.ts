// A latency histogram that can be added to another without loss of precision. All figures are computed from the counts
// per bucket, so adding the histograms of parts of a run yields the histogram of the whole run.
import { BUCKETS, bucketOf, HIGHEST_US, highestIn, LOWEST_US, lowestIn, middleOf } from "./buckets.js";

/** Converts a time to a value that a histogram accepts: an integer from 1 to an hour, in microseconds. */
export function toMicros(us: number): number {
  if (us >= HIGHEST_US) return HIGHEST_US;
  // Record NaN as the shortest time.
  return us >= LOWEST_US ? Math.round(us) : LOWEST_US;
}

/** An HDR histogram of microseconds up to an hour, with three significant digits. */
export class Histogram {
  /** Counts per bucket, which are exact up to 2^53. */
  readonly counts: Float64Array;

  /** @param counts memory for the counts, which may be shared; default: new and empty */
  constructor(counts: Float64Array = new Float64Array(BUCKETS)) {
    this.counts = counts;
  }

  /** Records a value in microseconds, `times` times. The value is rounded, and limited to an hour. */
  record(us: number, times = 1): void {
    this.counts[bucketOf(toMicros(us))]! += times;
  }

  /** Adds the counts of another histogram. */
  add(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket]! += other.counts[bucket]!;
  }

  /** Subtracts an earlier state of this histogram, leaving the values recorded since then. */
  subtract(earlier: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket]! -= earlier.counts[bucket]!;
  }

  /** Number of recorded values. */
  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Minimum in microseconds, with three significant digits like the figures below; 0 if nothing was recorded. */
  get min(): number {
    const bucket = this.counts.findIndex((count) => count > 0);
    return bucket < 0 ? 0 : lowestIn(bucket);
  }

  get max(): number {
    const bucket = this.counts.findLastIndex((count) => count > 0);
    return bucket < 0 ? 0 : highestIn(bucket);
  }

  get mean(): number {
    const count = this.count;
    if (count === 0) return 0;
    return this.counts.reduce((sum, times, bucket) => (times === 0 ? sum : sum + times * middleOf(bucket)), 0) / count;
  }

  /**
   * Returns the value that `percent` of all values do not exceed.
   * @param percent above 0, up to 100
   */
  percentile(percent: number): number {
    return this.percentiles([percent])[0]!;
  }

  /**
   * Returns several percentiles in a single pass.
   * @param percents percentages in ascending order
   */
  percentiles(percents: readonly number[]): number[] {
    const { count } = this;
    if (count === 0) return percents.map(() => 0);
    let bucket = 0;
    let below = this.counts[0]!;
    return percents.map((percent) => {
      const wanted = Math.max(1, Math.floor((Math.min(percent, 100) / 100) * count + 0.5));
      while (below < wanted && bucket < BUCKETS - 1) below += this.counts[++bucket]!;
      return highestIn(bucket);
    });
  }
}
