// Counters of the network stack that /proc keeps beside netstat: connection tracking, the per-core backlog.
import { existsSync } from "node:fs";
import { readText } from "./procfs.js";
import { readSysctlNumbers } from "./sysctl.js";

export interface ConntrackUse {
  /** Connections tracked in this network namespace now. */
  readonly count: number;
  readonly max: number;
  readonly buckets: number | undefined;
}

/** Connection tracking's use and size, undefined where the module is not loaded, or hidden: see isConntrackHidden(). */
export function readConntrack(): ConntrackUse | undefined {
  const [count] = readSysctlNumbers("net.netfilter.nf_conntrack_count") ?? [];
  const [max] = readSysctlNumbers("net.netfilter.nf_conntrack_max") ?? [];
  if (count === undefined || max === undefined) return undefined;
  return { count, max, buckets: readSysctlNumbers("net.netfilter.nf_conntrack_buckets")?.[0] };
}

/** Connection tracking is there but its settings may not be read, or not even that can be told. */
export function isConntrackHidden(): boolean {
  if (readConntrack()) return false;
  // A module built in is listed under /sys/module, too, as it has parameters.
  return existsSync("/sys/module") ? existsSync("/sys/module/nf_conntrack") : !existsSync("/proc/sys/net");
}

/** /proc/net/stat/nf_conntrack summed over the cores, by its own names: `drop`, `early_drop`, `insert_failed`. */
export function readConntrackStats(text = readText("/proc/net/stat/nf_conntrack") ?? ""): Record<string, number> {
  const [names, ...cores] = hexTable(text);
  const sums: Record<string, number> = {};
  names?.forEach((name, column) => {
    // Every core repeats the number of entries, which has a reader of its own.
    if (name !== "entries") sums[name] = cores.reduce((sum, row) => sum + Number.parseInt(row[column] ?? "0", 16), 0);
  });
  return sums;
}

/** Packets dropped because a core's backlog was full: the second column of /proc/net/softnet_stat, over all cores. */
export function readSoftnetDrops(text = readText("/proc/net/softnet_stat") ?? ""): number | undefined {
  const rows = hexTable(text);
  if (rows.length === 0) return undefined;
  return rows.reduce((sum, row) => sum + Number.parseInt(row[1] ?? "0", 16), 0);
}

function hexTable(text: string): string[][] {
  return text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.trim().split(/\s+/));
}
