// Defines the buckets of latency histograms for Prometheus: two for each doubling, from 15 µs to 32 s. The bounds
// are those of native histograms with schema 1.
import { BUCKETS, highestIn } from "../../results/histogram/buckets.js";
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
export function bucketsOf(histogram: Histogram): Buckets {
  const { counts } = histogram;
  let bucket = 0;
  let below = 0;
  const upTo = BOUNDS.map((bound, n) => {
    for (; bucket < ENDS[n]!; bucket++) below += counts[bucket]!;
    return [bound, below] as const;
  });
  const { count } = histogram;
  return { upTo, count, sum: (histogram.mean * count) / US_PER_SECOND };
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
