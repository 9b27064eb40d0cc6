// A latency histogram that can be added to another one without loss: a count for each bucket, from which everything else is
// computed. Adding the histograms of parts of a run gives the histogram of the run.
import { BUCKETS, bucketOf, HIGHEST_US, highestIn, LOWEST_US, lowestIn, middleOf } from "./buckets.js";

/** Microseconds as a histogram takes them: whole, from 1 to an hour. */
export function toMicros(us: number): number {
  if (us >= HIGHEST_US) return HIGHEST_US;
  // NaN is no time at all.
  return us >= LOWEST_US ? Math.round(us) : LOWEST_US;
}

/** An HDR histogram of microseconds up to an hour, three significant digits kept. */
export class Histogram {
  /** By bucket; exact up to 2^53. */
  readonly counts: Float64Array;

  /** @param counts where the counts lie, such as in shared memory; new and empty by default */
  constructor(counts: Float64Array = new Float64Array(BUCKETS)) {
    this.counts = counts;
  }

  /** Records a value of microseconds, `times` times; it is rounded, and cut off at an hour. */
  record(us: number, times = 1): void {
    this.counts[bucketOf(toMicros(us))]! += times;
  }

  /** Adds what another histogram holds. */
  add(other: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket]! += other.counts[bucket]!;
  }

  /** Takes away what it held earlier: what is left was recorded since. */
  subtract(earlier: Histogram): void {
    for (let bucket = 0; bucket < BUCKETS; bucket++) this.counts[bucket]! -= earlier.counts[bucket]!;
  }

  /** How many values were recorded. */
  get count(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** Microseconds, to three digits, as all that follow; 0 when nothing was recorded. */
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

  /** The value that `percent` of all values do not exceed. @param percent above 0, up to 100 */
  percentile(percent: number): number {
    return this.percentiles([percent])[0]!;
  }

  /** Several percentiles in one pass. @param percents in ascending order */
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
