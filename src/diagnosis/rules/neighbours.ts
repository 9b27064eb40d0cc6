// Explains failures caused by a full neighbour table: no packet can be sent to an on-link address without an entry. The
// limit covers all network namespaces of a kernel, so a server's table is visible from another namespace but not from
// another host.

import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import { formatCount } from "../../util/units.js";
import { seen } from "./local-errors.js";

/** Errnos that a full table causes: a timeout, no buffer for a packet, or no route to the host. */
const ERRNOS = ["ETIMEDOUT", "ENOBUFS", "EHOSTUNREACH"];
const TABLES = [
  { cache: "arp_cache", family: 4, limit: "gc-thresh3" },
  { cache: "ndisc_cache", family: 6, limit: "gc-thresh3-ipv6" },
] as const;
/** Number of addresses that may fill a table of the default 1,024 entries. */
const MANY_SOURCES = 900;

/** @returns undefined if no table of this kernel was full often enough */
export function explainNeighbours(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (!ERRNOS.includes(failure.errno)) return undefined;
  const { deltas, gauges } = result.evidence;
  // Each failed attempt raises the counter at least once; other programs' packets raise it too.
  const table = TABLES.find(({ cache }) => (deltas[`${cache}.table_fulls`] ?? 0) >= failure.count);
  if (!table) return undefined;
  const setting = `net.ipv${table.family}.neigh.default.gc_thresh3`;
  const max = gauges[`${table.cache}.max`];
  const entries = gauges[`${table.cache}.entries`];
  return {
    limit: table.limit,
    whose: "local",
    meaning: `this kernel's neighbour table is full: ${setting} limits the addresses on the same link, counted over all network namespaces`,
    fix: `raise ${setting} (with gc_thresh1 and gc_thresh2) on the host; or use fewer source addresses with more ports each, or fewer destinations on the link`,
    evidence: [
      seen(failure),
      `${table.cache} was full ${formatCount(deltas[`${table.cache}.table_fulls`]!)} times (table_fulls)`,
      ...(max === undefined || entries === undefined
        ? []
        : [`${formatCount(entries)} entries, ${setting} is ${formatCount(max)}`]),
      `${formatCount(result.plan.sourceAddresses)} source addresses, ${formatCount(result.destinations.length)} destinations`,
    ],
  };
}

/**
 * Suspects the neighbour table of a server or router on another host.
 * @returns undefined if the run used too few addresses to fill a table
 */
export function suspectNeighbours({ plan, established }: ConnectResult, facts: readonly string[]): Suspect | undefined {
  if (plan.sourceAddresses < MANY_SOURCES || established === 0) return undefined;
  return {
    limit: "gc-thresh3",
    whose: "peer",
    meaning: `the server's neighbour table is full: it needs an entry for each source address on its link, ${formatCount(plan.sourceAddresses)} here`,
    fix: "raise net.ipv4.neigh.default.gc_thresh3 (net.ipv6 likewise) there, or use fewer source addresses with more ports each",
    evidence: facts,
    test: "on the server: the kernel log says `neighbor table overflow!`, and table_fulls rises in /proc/net/stat/arp_cache",
  };
}
