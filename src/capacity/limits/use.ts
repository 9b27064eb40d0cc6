// Reads every limit of the host and how much of it is in use, for monitoring. It measures nothing, and leaves out
// limits that depend on a destination.
import type { LimitRow } from "../../results/limits.js";
import { readHost } from "../host-facts.js";
import { LIMITS } from "./catalogue.js";

export interface LimitUse extends Pick<LimitRow, "id" | "name" | "unit" | "scope"> {
  /** In the limit's unit; Infinity if there is no limit. */
  readonly limit: number;
  /** Undefined if unknown, or if the limit is not one that gets used up. */
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
