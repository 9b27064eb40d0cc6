// Reads every limit of the host and how much of it is in use, for monitoring. Limits that depend on a destination
// are left out, and nothing is measured.
import type { LimitRow } from "../../results/limits.js";
import { readHost } from "../host-facts.js";
import { LIMITS } from "./catalogue.js";

export interface LimitUse extends Pick<LimitRow, "id" | "name" | "unit" | "scope"> {
  /** Value in the limit's unit; Infinity if there is no limit. */
  readonly limit: number;
  /** How much is in use; undefined if unknown, or if nothing is used up under the limit. */
  readonly used: number | undefined;
}

/** Returns the limits that can be read, in the order of the catalogue. */
export function readLimitUse(): LimitUse[] {
  const readings = readHost([]);
  return LIMITS.flatMap((limit) => {
    const usage = limit.usage?.(readings);
    const value = usage?.of ?? limit.read(readings, undefined);
    if (value === undefined) return [];
    const { id, name, unit, scope } = limit;
    return [{ id, name, unit, scope, limit: value, used: usage?.used }];
  });
}
