// Defines the buckets of an HDR histogram of integer microseconds, from 1 to an hour, with three significant digits:
// 2,048 buckets of one microsecond, then 1,024 for each doubling. The code uses only integer arithmetic, because
// workers call it for every recorded value.

export const SIGNIFICANT_DIGITS = 3;
export const LOWEST_US = 1;
export const HIGHEST_US = 3_600_000_000;

/** 2,048 adjacent values provide three significant digits. Each doubling adds half as many buckets. */
const SUB_BUCKET_BITS = 11;
const HALF_BITS = SUB_BUCKET_BITS - 1;
const HALF = 1 << HALF_BITS;
const SUB_BUCKET_MASK = 2 * HALF - 1;

/** Number of buckets, including all doublings up to the one that contains HIGHEST_US. */
export const BUCKETS = (32 - SUB_BUCKET_BITS + 2) * HALF;

/** Returns the bucket of an integer from 0 to HIGHEST_US. */
export function bucketOf(us: number): number {
  const doublings = 32 - SUB_BUCKET_BITS - Math.clz32(us | SUB_BUCKET_MASK);
  return (doublings << HALF_BITS) + (us >>> doublings);
}

/** Returns the smallest value in a bucket. */
export function lowestIn(bucket: number): number {
  const doublings = doublingsOf(bucket);
  return (bucket - doublings * HALF) * 2 ** doublings;
}

/** Returns the largest value in a bucket. */
export function highestIn(bucket: number): number {
  return lowestIn(bucket) + widthOf(bucket) - 1;
}

/** Returns the value that represents a bucket in a mean. */
export function middleOf(bucket: number): number {
  return lowestIn(bucket) + Math.floor(widthOf(bucket) / 2);
}

function doublingsOf(bucket: number): number {
  return Math.max(0, (bucket >> HALF_BITS) - 1);
}

function widthOf(bucket: number): number {
  return 2 ** doublingsOf(bucket);
}
