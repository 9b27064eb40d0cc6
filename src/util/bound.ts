// Converts numbers that may be unlimited: Infinity in calculations, a string in results, because JSON has no
// Infinity.
import { formatCount } from "./units.js";

export type Bound = number | "unlimited";

/** Converts a number to its form in results. */
export function toBound(value: number): Bound {
  return value === Number.POSITIVE_INFINITY ? "unlimited" : value;
}

/** Converts a bound to a number for calculations. */
export function numberOf(bound: Bound): number {
  return bound === "unlimited" ? Number.POSITIVE_INFINITY : bound;
}

export function formatBound(bound: Bound): string {
  return bound === "unlimited" ? bound : formatCount(bound);
}
