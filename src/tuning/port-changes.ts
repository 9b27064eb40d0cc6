// Widens the range of source ports as far as the load needs, and reserves the ports of services within it.

import type { HostFacts } from "../capacity/host-facts.js";
import { portsFor } from "../capacity/limits/ports.js";
import type { Load } from "../capacity/load.js";
import type { PortRange } from "../util/endpoint.js";
import { formatCount, plural } from "../util/units.js";
import { formatPortList, parsePortList } from "./value.js";

const LOWEST_PORT = 1024;
const HIGHEST_PORT = 65_535;
/** The first port of the range is a multiple of this. */
const STEP = 1024;

export interface PortPlan {
  /** New range; undefined if unchanged. */
  readonly range: string | undefined;
  /** Complete new list of reserved ports; undefined if unchanged. */
  readonly reserved: string | undefined;
  /** Service ports that the new list adds. */
  readonly added: readonly number[];
  /** Number of ports still missing per source and destination. */
  readonly missing: number;
}

/**
 * Computes the range and the reserved ports that this load needs. The range is only ever widened, and ports are
 * only ever added to the list.
 *
 * @param present net.ipv4.ip_local_port_range
 * @param reservedText net.ipv4.ip_local_reserved_ports as read from the kernel
 * @param udpPorts UDP ports in use; the range and the list also apply to UDP
 * @see Linux networking/ip-sysctl.rst, ip_local_port_range and ip_local_reserved_ports
 */
export function planPorts(
  facts: HostFacts,
  load: Load,
  present: PortRange,
  reservedText: string,
  udpPorts: readonly number[],
): PortPlan {
  const reserved = parsePortList(reservedText);
  const blocked = reserved.slice();
  // A UDP port inside the range most likely belongs to a client, which will soon release it.
  const services = udpPorts.filter((port) => port < present.first || port > present.last);
  const kept = [...new Set([...facts.listeningPorts, ...services])];
  for (const port of kept) blocked[port] = 1;
  const { range, free } = widen(present, portsFor(load), blocked, facts.unprivilegedPortStart ?? LOWEST_PORT);
  const added = kept
    .filter((port) => port >= range.first && port <= range.last && reserved[port] === 0)
    .sort((a, b) => a - b);
  for (const port of added) reserved[port] = 1;
  const isWider = range.first < present.first || range.last > present.last;
  return {
    range: isWider ? `${range.first} ${range.last}` : undefined,
    // An unchanged range does not put any more ports at risk.
    reserved: isWider && added.length > 0 ? formatPortList(reserved) : undefined,
    added: isWider ? added : [],
    missing: Math.max(0, portsFor(load) - free),
  };
}

/** Widens the range upwards first, where services are few, then downwards until there are enough free ports. */
function widen(present: PortRange, wanted: number, blocked: Uint8Array, privileged: number) {
  const count = ({ first, last }: PortRange) => blocked.subarray(first, last + 1).reduce((n, bit) => n + 1 - bit, 0);
  if (count(present) >= wanted) return { range: present, free: count(present) };
  const last = Math.max(present.last, HIGHEST_PORT);
  // The kernel rejects a range that begins below ip_unprivileged_port_start.
  const lowest = Math.min(present.first, Math.max(LOWEST_PORT, privileged));
  let first = present.first;
  let free = count({ first, last });
  while (free < wanted && first > lowest) {
    const next = Math.max(lowest, Math.ceil(first / STEP - 1) * STEP);
    free += count({ first: next, last: first - 1 });
    first = next;
  }
  // Keep the parity of the ends different, as the kernel prefers (ip-sysctl.rst).
  if ((first + last) % 2 === 0 && first > lowest) first--;
  return { range: { first, last }, free: count({ first, last }) };
}

/** Explains the new range and list. */
export function explainPorts({ added, missing }: PortPlan, load: Load): { range: string; reserved: string } {
  const wanted = portsFor({ ...load, portsInUse: 0 });
  return {
    range: [
      `${formatCount(load.connections)} connections need ${plural(wanted, "source port")} per source and destination`,
      ...(load.portsInUse > 0 ? [`${formatCount(load.portsInUse)} are in use already`] : []),
      ...(missing > 0 ? [`${formatCount(missing)} are missing`] : []),
    ].join("; "),
    reserved: `${plural(added.length, "port")} used by services inside the wider range: ${list(added)}`,
  };
}

function list(ports: readonly number[]): string {
  const shown = ports.slice(0, 8).join(", ");
  return ports.length > 8 ? `${shown}, …` : shown;
}
