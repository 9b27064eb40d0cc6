// Divides a total into equal integer parts.

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
