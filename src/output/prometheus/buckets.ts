// Defines the buckets of latency histograms for Prometheus: two for each doubling, from 15 µs to 32 s. The bounds
// are those of native histograms with schema 1.
import { BUCKETS, highestIn, middleOf } from "../../results/histogram/buckets.js";
import { type CoarseHistogram, eachOfCoarse } from "../../results/histogram/coarse.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import type { Buckets } from "./families.js";

const PER_DOUBLING = 2;
/** Binary logarithms of the first and the last bound in seconds. */
const FIRST = -16;
const LAST = 5;
const US_PER_SECOND = 1e6;

const BOUNDS = Array.from({ length: (LAST - FIRST) * PER_DOUBLING + 1 }, (_, n) => 2 ** (FIRST + n / PER_DOUBLING));
/**
 * For each bound, the first of our own buckets above it. Only values within a thousandth of a bound can be
 * counted on the wrong side of it.
 */
const ENDS = BOUNDS.map((bound) => firstAbove(bound * US_PER_SECOND));

/** Converts a histogram of microseconds to cumulative buckets in seconds. */
export function bucketsOf({ counts }: Histogram): Buckets {
  const sums = new Sums();
  counts.forEach((count, bucket) => {
    if (count > 0) sums.add(bucket, count);
  });
  return sums.end();
}

/** Like bucketsOf(), but reads only the buckets with values: a fleet may have thousands of histograms. */
export function bucketsOfCoarse(histogram: CoarseHistogram): Buckets {
  const sums = new Sums();
  eachOfCoarse(histogram, (bucket, count) => sums.add(bucket, count));
  return sums.end();
}

class Sums {
  readonly #upTo: [bound: number, below: number][] = [];
  #count = 0;
  #sumUs = 0;

  /** To be called in the order of the buckets. */
  add(bucket: number, count: number): void {
    this.#close(bucket);
    this.#count += count;
    this.#sumUs += count * middleOf(bucket);
  }

  end(): Buckets {
    this.#close(BUCKETS);
    return { upTo: this.#upTo, count: this.#count, sum: this.#sumUs / US_PER_SECOND };
  }

  #close(bucket: number): void {
    for (let n = this.#upTo.length; n < BOUNDS.length && ENDS[n]! <= bucket; n++) {
      this.#upTo.push([BOUNDS[n]!, this.#count]);
    }
  }
}

function firstAbove(us: number): number {
  let [low, high] = [0, BUCKETS];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (highestIn(middle) <= us) low = middle + 1;
    else high = middle;
  }
  return low;
}
