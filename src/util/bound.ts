// Converts numbers that may be unlimited: Infinity in calculations; in JSON, which has no Infinity, a string or, in place
// of an integer, a large one.
import { formatCount } from "./units.js";

export type Bound = number | "unlimited";

/** Stands for no limit where only integers are possible: more connections than any command line can ask for. */
export const UNLIMITED = 2 ** 31 - 1;

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
