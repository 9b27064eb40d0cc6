// Numbers that nothing may bound: Infinity to reckon with, a word in results, as JSON has no Infinity.
import { formatCount } from "./units.js";

export type Bound = number | "unlimited";

/** Infinity as the word for it. */
export function toBound(value: number): Bound {
  return value === Number.POSITIVE_INFINITY ? "unlimited" : value;
}

/** The number to reckon with. */
export function numberOf(bound: Bound): number {
  return bound === "unlimited" ? Number.POSITIVE_INFINITY : bound;
}

export function formatBound(bound: Bound): string {
  return bound === "unlimited" ? bound : formatCount(bound);
}
