// Divides a total into integer parts, equal or by weight, and adds parts up.

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/**
 * Returns the share of part `index` when `total` is divided into `parts`. Shares differ by at most one and add up to
 * `total`.
 *
 * @param total integer to divide
 * @param parts number of parts, at least 1
 * @param index number of the part, 0 to parts - 1
 */
export function exactShare(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}

/**
 * Returns the shares of a total that is divided by weight (largest remainder). They add up to `total`. No share exceeds
 * its weight unless the total exceeds the sum of all weights.
 *
 * @param total integer to divide
 * @param weights integers; at least one is above 0
 */
export function weightedShares(total: number, weights: readonly number[]): number[] {
  // Products of counts and ceilings exceed 53 bits.
  const all = weights.reduce((total, weight) => total + BigInt(weight), 0n);
  const quotas = weights.map((weight, index) => {
    const product = BigInt(total) * BigInt(weight);
    return { index, share: Number(product / all), rest: product % all };
  });
  let left = total - sum(quotas.map(({ share }) => share));
  for (const quota of quotas.toSorted((a, b) => (a.rest === b.rest ? a.index - b.index : a.rest < b.rest ? 1 : -1))) {
    if (left === 0) break;
    quota.share++;
    left--;
  }
  return quotas.map(({ share }) => share);
}
