// Limit on the neighbour table. A host needs one entry per on-link address that it sends to: a server one per client
// source address, a client one per destination.

import type { NeighbourTable } from "../../linux/netlink/rtnetlink.js";
import { portCount } from "../../planning/tuple-plan.js";
import type { Family } from "../../util/address.js";
import { formatCount } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";

export const neighbours = limitOf(4, "gc-thresh3");
export const neighboursV6 = limitOf(6, "gc-thresh3-ipv6");

function limitOf(family: Family, id: string): Limit {
  const name = `net.ipv${family}.neigh.default.gc_thresh3`;
  return {
    id,
    name,
    unit: "entries",
    scope: "host",
    caps: "held",
    side: "both",
    source: "Linux networking/ip-sysctl.rst, neigh/default/gc_thresh3; man 7 arp",
    change: `sysctl ${name} with gc_thresh1 and gc_thresh2, on the host; or fewer source addresses with more ports each`,
    privilege: "CAP_NET_ADMIN",
    pitfall:
      "one table for all network namespaces; counts addresses on the same link, not connections; when it is full, SYNs get no answer, and the kernel log says `neighbor table overflow!`",
    sysctl: name,
    read: ({ neighbourTables }) => neighbourTables?.[family].max,
    usage: ({ neighbourTables }) => {
      const table = neighbourTables?.[family];
      return table && { used: usedOf(table), of: table.max };
    },
    describe: ({ neighbourTables }) => {
      const table = neighbourTables?.[family];
      return table && `${formatCount(table.max)}, ${formatCount(usedOf(table))} in use`;
    },
    allows: ({ neighbourTables }, load) => {
      const needed = entriesFor(family, load);
      if (needed <= 1) return Number.POSITIVE_INFINITY;
      if (!neighbourTables) return undefined;
      const room = roomOf(neighbourTables[family]);
      return needed <= room ? Number.POSITIVE_INFINITY : Math.floor((load.connections * room) / needed);
    },
    needs: ({ neighbourTables }, load) => {
      const needed = entriesFor(family, load);
      return needed <= 1 || !neighbourTables ? undefined : usedOf(neighbourTables[family]) + needed;
    },
  };
}

/** Returns a note on what is assumed about the server's host if this limit is the binding one; otherwise undefined. */
export function neighbourNote(
  { neighbourTables }: HostFacts,
  load: Load,
  bindingId: string | undefined,
): string | undefined {
  const family = bindingId === neighbours.id ? 4 : bindingId === neighboursV6.id ? 6 : undefined;
  if (family === undefined || !neighbourTables) return undefined;
  const sources = usedSources(family, load);
  if (sources < entriesFor(family, load)) return undefined;
  return `the server needs a neighbour entry for each of the ${formatCount(sources)} source addresses on its link; its table is assumed to be as large as here: ${formatCount(neighbourTables[family].max)}`;
}

/** Returns the number of entries needed by the end that needs more. */
function entriesFor(family: Family, load: Load): number {
  return Math.max(usedSources(family, load), load.onLink[family].destinations);
}

/** Returns the number of source addresses on the destination's link that the connections use. */
function usedSources(family: Family, { plan, connections, onLink }: Load): number {
  if (!plan) return 0;
  const destinations = plan.groups.reduce((sum, group) => sum + group.destinations.length, 0);
  // If the kernel chooses the ports, source addresses rotate; otherwise each is exhausted before the next.
  const each = destinations * (plan.ports.chosenBy === "kernel" ? 1 : portCount(plan.ports));
  return Math.min(onLink[family].sources, Math.ceil(connections / Math.max(1, each)));
}

function usedOf({ entries, idle }: NeighbourTable): number {
  return Math.max(0, entries - idle);
}

function roomOf(table: NeighbourTable): number {
  return Math.max(0, table.max - usedOf(table));
}
