// Histograms in at most about a thousand buckets, 32 for each doubling, for messages that are sent every second. They can
// be added up, and a value is known within 2.2%. Each bucket consists of whole buckets of the full histogram, and none
// crosses a bound of the buckets that Prometheus gets.
import { BUCKETS, highestIn } from "./buckets.js";
import { Histogram } from "./histogram.js";

/**
 * Counts of the buckets with values, in ascending order: the distance of the bucket from the one before, and its count.
 * A bucket is numbered by the last bucket of the full histogram in it.
 */
export type CoarseHistogram = readonly number[];

const PER_DOUBLING = 32;
const US_PER_SECOND = 1e6;

/** See endsOfGroups(). */
let ends: Uint8Array | undefined;

let longest: number | undefined;

/** Returns the maximum length of a CoarseHistogram. */
export function longestCoarse(): number {
  // A coordinator asks for each histogram of each heartbeat.
  longest ??= 2 * endsOfGroups().reduce((sum, end) => sum + end, 0);
  return longest;
}

/** @param parts histograms to add up */
export function coarsen(parts: readonly Histogram[]): CoarseHistogram {
  const coarse: number[] = [];
  const isEnd = endsOfGroups();
  let [before, count] = [0, 0];
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    for (const { counts } of parts) count += counts[bucket]!;
    if (count === 0 || isEnd[bucket] === 0) continue;
    coarse.push(bucket - before, count);
    [before, count] = [bucket, 0];
  }
  return coarse;
}

/** Returns the sum of coarse histograms; counts beyond the last bucket are ignored. */
export function sumOfCoarse(parts: Iterable<CoarseHistogram>): Histogram {
  const { counts } = new Histogram();
  const add = (bucket: number, count: number) => {
    counts[bucket]! += count;
  };
  for (const coarse of parts) eachOfCoarse(coarse, add);
  return new Histogram(counts);
}

/** Calls `visit` for each bucket with values, in ascending order; those beyond the last bucket are ignored. */
export function eachOfCoarse(coarse: CoarseHistogram, visit: (bucket: number, count: number) => void): void {
  let bucket = 0;
  for (let at = 0; at + 1 < coarse.length; at += 2) {
    bucket += coarse[at]!;
    if (bucket < BUCKETS) visit(bucket, coarse[at + 1]!);
  }
}

/**
 * Returns for each bucket whether the next one belongs to another coarse one. Computed on demand, because every start of
 * the program would pay for it.
 */
function endsOfGroups(): Uint8Array {
  ends ??= Uint8Array.from({ length: BUCKETS }, (_, bucket) => Number(groupOf(bucket) !== groupOf(bucket + 1)));
  return ends;
}

function groupOf(bucket: number): number {
  return bucket < BUCKETS ? Math.ceil(PER_DOUBLING * Math.log2(highestIn(bucket) / US_PER_SECOND)) : Number.NaN;
}
