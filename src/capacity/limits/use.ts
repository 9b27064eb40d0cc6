// Reads every limit of the host and how much of it is in use, for monitoring. Limits that depend on a destination
// are left out, and nothing is measured.
import { readConntrack } from "../../linux/proc/net-stats.js";
import { readSockstat } from "../../linux/proc/procfs.js";
import { readSysctlNumbers } from "../../linux/proc/sysctl.js";
import type { LimitRow } from "../../results/limits.js";
import { readHost } from "../host-facts.js";
import type { Limit } from "../limit.js";
import { LIMITS } from "./catalogue.js";
import { conntrackMax, timeWaitBuckets } from "./tables.js";

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
    return useOf(limit, value, usage?.used);
  });
}

/**
 * Returns the limits on resources that can run out in a network namespace, without reading what all namespaces share.
 */
export function readNamespaceLimitUse(): LimitUse[] {
  const conntrack = readConntrack();
  const [timeWaitMax] = readSysctlNumbers("net.ipv4.tcp_max_tw_buckets") ?? [];
  return [
    ...useOf(conntrackMax, conntrack?.max, conntrack?.count),
    ...useOf(timeWaitBuckets, timeWaitMax, readSockstat()["TCP.tw"]),
  ];
}

function useOf({ id, name, unit, scope }: Limit, limit: number | undefined, used: number | undefined): LimitUse[] {
  return limit === undefined ? [] : [{ id, name, unit, scope, limit, used }];
}
