// Exact division of a whole among equals.

/**
 * The share of part `index` when `total` is dealt to `parts`: shares differ by one at most and sum to `total`.
 *
 * @param total what is dealt, a whole number
 * @param parts how many take part, at least 1
 * @param index which of them, 0 to parts - 1
 */
export function exactShare(total: number, parts: number, index: number): number {
  return Math.floor(total / parts) + (index < total % parts ? 1 : 0);
}
