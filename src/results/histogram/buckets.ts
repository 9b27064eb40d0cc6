// The buckets of an HDR histogram of whole microseconds, from 1 to an hour, that keeps three significant digits: 2,048 buckets
// a microsecond wide, then 1,024 for each doubling. All in integers, since workers compute it for every value that they record.

export const SIGNIFICANT_DIGITS = 3;
export const LOWEST_US = 1;
export const HIGHEST_US = 3_600_000_000;

/** 2,048 values side by side can be told apart to three digits: half of them are new after each doubling. */
const SUB_BUCKET_BITS = 11;
const HALF_BITS = SUB_BUCKET_BITS - 1;
const HALF = 1 << HALF_BITS;
const SUB_BUCKET_MASK = 2 * HALF - 1;

/** Buckets of a histogram: those of all doublings up to the one that holds HIGHEST_US. */
export const BUCKETS = (32 - SUB_BUCKET_BITS + 2) * HALF;

/** The bucket of a whole number from 0 to HIGHEST_US. */
export function bucketOf(us: number): number {
  const doublings = 32 - SUB_BUCKET_BITS - Math.clz32(us | SUB_BUCKET_MASK);
  return (doublings << HALF_BITS) + (us >>> doublings);
}

/** The smallest value of a bucket. */
export function lowestIn(bucket: number): number {
  const doublings = doublingsOf(bucket);
  return (bucket - doublings * HALF) * 2 ** doublings;
}

/** The largest value of a bucket. */
export function highestIn(bucket: number): number {
  return lowestIn(bucket) + widthOf(bucket) - 1;
}

/** The value that stands for all of a bucket in a mean. */
export function middleOf(bucket: number): number {
  return lowestIn(bucket) + Math.floor(widthOf(bucket) / 2);
}

function doublingsOf(bucket: number): number {
  return Math.max(0, (bucket >> HALF_BITS) - 1);
}

function widthOf(bucket: number): number {
  return 2 ** doublingsOf(bucket);
}
