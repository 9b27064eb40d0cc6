// Limits on source ports: 4-tuples with explicitly bound ports, and the kernel's ephemeral range.

import { countPortsWithin } from "../../linux/proc/local-ports.js";
import { describeBadSources, describeUnreachable } from "../../planning/source-text.js";
import { portCount, TupleSequence } from "../../planning/tuple-plan.js";
import type { PortRange } from "../../util/endpoint.js";
import { formatCount, formatDuration } from "../../util/units.js";
import type { HostFacts, HostReadings } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";

const SOURCE = "Linux networking/ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports";
/** Ports that bind() accepts without privileges. */
const ALL_PORTS: PortRange = { first: 1024, last: 65_535 };

export const route: Limit = {
  id: "route",
  name: "source address and route",
  unit: "flag",
  scope: "namespace",
  caps: "held",
  side: "client",
  source: "man 2 connect (EADDRNOTAVAIL, ENETUNREACH), man 8 ip-route",
  change: "an address of the family (ip address add), a route (ip route add), net.ipv6.conf.*.disable_ipv6=0",
  privilege: "CAP_NET_ADMIN",
  pitfall: "a host without an IPv6 address returns EADDRNOTAVAIL, just like one without a free port",
  read: (_, load) => (load?.plan ? Number(load.unreachable.length === 0) : undefined),
  describe: (_, { plan, unreachable }) => {
    if (!plan) return "-";
    return unreachable.length === 0 ? "both available" : unreachable.map(describeUnreachable).join("; ");
  },
  allows: (_, { plan }) => (plan && plan.groups.length === 0 ? 0 : Number.POSITIVE_INFINITY),
  needs: () => undefined,
};

export const sourcePorts: Limit = {
  id: "source-ports",
  name: "source addresses × ports",
  unit: "connections",
  scope: "namespace",
  caps: "source-ports",
  side: "client",
  source: "RFC 9293 section 3.3.1; man 2 bind (EADDRINUSE)",
  change:
    "more addresses (--source-ip), more ports (--source-port 1024-65535), a second destination port (host:7777-7778)",
  privilege: "none",
  pitfall:
    "a source address can use its ports once per destination; a server's port is shared by all of its connections",
  read: (_, load) => (load && isExplicit(load) ? tuplesOf(load) : undefined),
  describe: (_, load) => {
    const what = isExplicit(load) ? describePlan(load) : isKernelChosen(load) ? "chosen by the kernel" : "-";
    return isExplicit(load) ? `${what}${shortageNote(load)}` : what;
  },
  allows: (_, load) => {
    if (!isExplicit(load) || load.hasAddressesAtWill) return Number.POSITIVE_INFINITY;
    return Math.max(0, tuplesOf(load) - load.portsInUse);
  },
  needs: (_, load) => (isExplicit(load) && !load.hasAddressesAtWill ? load.connections + load.portsInUse : undefined),
};

export const localPortRange: Limit = {
  id: "ip-local-port-range",
  name: "net.ipv4.ip_local_port_range",
  unit: "ports",
  scope: "namespace",
  caps: "source-ports",
  side: "client",
  source: SOURCE,
  change: "sysctl net.ipv4.ip_local_port_range; or explicit source ports, which it does not limit",
  privilege: "CAP_NET_ADMIN",
  pitfall: "a range that covers a listening port can keep that service from restarting: reserve the port",
  sysctl: "net.ipv4.ip_local_port_range",
  read: ({ portRange }) => portRange && sizeOf(portRange),
  describe: ({ portRange }, load) =>
    portRange && `${portRange.first}-${portRange.last}${isKernelChosen(load) ? shortageNote(load) : ""}`,
  allows: (facts, load) => {
    if (!isKernelChosen(load) || load.hasAddressesAtWill) return Number.POSITIVE_INFINITY;
    const ports = kernelPorts(facts);
    if (ports === undefined) return undefined;
    const { allows, allowsWithReserved } = choicesOf(facts, ports, load);
    return isBoundByReserved(allows, allowsWithReserved, load) ? allowsWithReserved : allows;
  },
  needs: (facts, load) => {
    if (!isKernelChosen(load) || load.hasAddressesAtWill) return undefined;
    return portsFor(load) + (reservedIn(facts) ?? 0) + listeningIn(facts);
  },
};

export const reservedPorts: Limit = {
  id: "ip-local-reserved-ports",
  name: "net.ipv4.ip_local_reserved_ports",
  unit: "ports",
  scope: "namespace",
  caps: "source-ports",
  side: "client",
  source: SOURCE,
  change: "sysctl net.ipv4.ip_local_reserved_ports, after finding out why they are reserved; or explicit source ports",
  privilege: "CAP_NET_ADMIN",
  pitfall:
    "writing replaces the whole list, so include its current entries; explicit binds may still use reserved ports",
  read: (facts) => reservedIn(facts),
  describe: (facts) => {
    const reserved = reservedIn(facts);
    return reserved === undefined ? undefined : `${formatCount(reserved)} inside the range`;
  },
  // Reserved ports are the binding limit only if the range would be sufficient without them.
  allows: (facts, load) => {
    if (!isKernelChosen(load) || load.hasAddressesAtWill) return Number.POSITIVE_INFINITY;
    const ports = kernelPorts(facts);
    if (ports === undefined) return undefined;
    const { allows, allowsWithReserved } = choicesOf(facts, ports, load);
    return isBoundByReserved(allows, allowsWithReserved, load) ? allows : Number.POSITIVE_INFINITY;
  },
  needs: () => undefined,
};

export const unprivilegedPortStart: Limit = {
  id: "ip-unprivileged-port-start",
  name: "net.ipv4.ip_unprivileged_port_start",
  unit: "ports",
  scope: "namespace",
  caps: "source-ports",
  side: "both",
  source: "Linux networking/ip-sysctl.rst, ip_unprivileged_port_start",
  change: "sysctl net.ipv4.ip_unprivileged_port_start, or CAP_NET_BIND_SERVICE",
  privilege: "CAP_NET_ADMIN",
  pitfall: "explicit source ports below this value cause EACCES, which looks like a firewall but is not",
  read: ({ unprivilegedPortStart: value }) => value,
  needs: () => undefined,
};

/**
 * Describes what currently reduces the plan, starting with a semicolon: missing source addresses, and 4-tuples in
 * TIME_WAIT.
 */
function shortageNote({ badSources: { bad, badCount }, timeWaits: { tuples, lastMs } }: Load): string {
  const missing = badCount === 0 ? "" : `; ${describeBadSources(bad, badCount)}`;
  return tuples === 0
    ? missing
    : `${missing}; ${formatCount(tuples)} in TIME_WAIT, the last for ${formatDuration(lastMs)}`;
}

/** Returns the number of ports that the kernel can choose from; undefined if unknown. */
function kernelPorts(facts: HostFacts): number | undefined {
  const reserved = reservedIn(facts);
  if (!facts.portRange || reserved === undefined) return undefined;
  return Math.max(0, sizeOf(facts.portRange) - reserved - listeningIn(facts));
}

function choicesOf(facts: HostFacts, ports: number, load: Load) {
  return {
    allows: connectionsWith(ports, load),
    /** This is computed as if no port were reserved. */
    allowsWithReserved: connectionsWith(ports + (reservedIn(facts) ?? 0), load),
  };
}

function isBoundByReserved(allows: number, allowsWithReserved: number, { connections }: Load): boolean {
  return allows < connections && allowsWithReserved >= connections;
}

/**
 * Returns the number of source addresses needed for this many connections to one address and port, using all ports of
 * each.
 */
export function clientAddressesFor(connections: number): number {
  return Math.ceil(connections / sizeOf(ALL_PORTS));
}

// If no destination is reachable, the missing route is the limit, not the ports.
function isKernelChosen({ plan }: Load): boolean {
  return plan?.ports.chosenBy === "kernel" && plan.groups.length > 0;
}

function isExplicit({ plan }: Load): boolean {
  return plan?.ports.chosenBy === "us" && plan.groups.length > 0;
}

function tuplesOf({ plan }: Load): number {
  return plan ? new TupleSequence(plan).count : 0;
}

/** Number of (source, destination) pairs in the plan. Each pair can use every port of the kernel's range once. */
function pairsOf({ plan }: Load): number {
  return (plan?.groups ?? []).reduce(
    (sum, { sources, destinations }) => sum + sources.reduce((n, { count }) => n + count, 0) * destinations.length,
    0,
  );
}

function connectionsWith(ports: number, load: Load): number {
  return Math.max(0, ports * pairsOf(load) - load.portsInUse);
}

/** Number of source ports that each source needs for each destination. */
export function portsFor(load: Load): number {
  return Math.ceil((load.connections + load.portsInUse) / Math.max(1, pairsOf(load)));
}

function reservedIn({ reservedPorts: reserved, portRange }: HostReadings): number | undefined {
  return reserved && portRange && countPortsWithin(reserved, portRange);
}

function listeningIn({ listeningPorts, portRange, reservedPorts: reserved = [] }: HostFacts): number {
  if (!portRange) return 0;
  return listeningPorts.filter(
    (port) =>
      port >= portRange.first &&
      port <= portRange.last &&
      countPortsWithin(reserved, { first: port, last: port }) === 0,
  ).length;
}

function describePlan(load: Load): string {
  const { plan } = load;
  if (!plan || plan.ports.chosenBy === "kernel") return "";
  const { range } = plan.ports;
  if (load.hasAddressesAtWill) return `127.0.0.0/8, ports ${range.first}-${range.last}`;
  return `${formatCount(pairsOf(load))} × ${formatCount(portCount(plan.ports))}`;
}

function sizeOf({ first, last }: PortRange): number {
  return last - first + 1;
}
