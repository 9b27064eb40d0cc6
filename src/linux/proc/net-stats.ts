// Reads the network counters in /proc other than netstat: connection tracking and the per-core backlog.
import { existsSync } from "node:fs";
import { readText } from "./procfs.js";
import { readSysctlNumbers } from "./sysctl.js";

export interface ConntrackUse {
  /** Number of connections tracked in this network namespace. */
  readonly count: number;
  readonly max: number;
  readonly buckets: number | undefined;
}

/** Returns conntrack's usage and size; undefined if the module is not loaded or is hidden (see isConntrackHidden()). */
export function readConntrack(): ConntrackUse | undefined {
  const [count] = readSysctlNumbers("net.netfilter.nf_conntrack_count") ?? [];
  const [max] = readSysctlNumbers("net.netfilter.nf_conntrack_max") ?? [];
  if (count === undefined || max === undefined) return undefined;
  return { count, max, buckets: readSysctlNumbers("net.netfilter.nf_conntrack_buckets")?.[0] };
}

/** Returns whether conntrack is loaded but its settings cannot be read, or whether that cannot be determined. */
export function isConntrackHidden(): boolean {
  if (readConntrack()) return false;
  // A built-in module is listed in /sys/module too, because it has parameters.
  return existsSync("/sys/module") ? existsSync("/sys/module/nf_conntrack") : !existsSync("/proc/sys/net");
}

/** Sums /proc/net/stat/nf_conntrack over all cores, by kernel name: `drop`, `early_drop`, `insert_failed`. */
export function readConntrackStats(text = readText("/proc/net/stat/nf_conntrack") ?? ""): Record<string, number> {
  const [names, ...cores] = hexTable(text);
  const sums: Record<string, number> = {};
  names?.forEach((name, column) => {
    // Every core's row repeats the total number of entries; readConntrack() returns that number.
    if (name !== "entries") sums[name] = cores.reduce((sum, row) => sum + Number.parseInt(row[column] ?? "0", 16), 0);
  });
  return sums;
}

/**
 * Returns what every core took from its backlog and what it dropped because the backlog was full, summed since boot:
 * columns 1 and 2 of /proc/net/softnet_stat, packets of all network namespaces.
 */
export function readSoftnetStats(
  text = readText("/proc/net/softnet_stat") ?? "",
): { readonly processed: number; readonly dropped: number } | undefined {
  const rows = hexTable(text);
  if (rows.length === 0) return undefined;
  const column = (index: number) => rows.reduce((sum, row) => sum + Number.parseInt(row[index] ?? "0", 16), 0);
  return { processed: column(0), dropped: column(1) };
}

function hexTable(text: string): string[][] {
  return text
    .trim()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => line.trim().split(/\s+/));
}
