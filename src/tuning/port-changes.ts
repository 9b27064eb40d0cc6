// Wider ranges of source ports: as far as the load needs it, with the ports of services kept out of it.

import type { HostFacts } from "../capacity/host-facts.js";
import { portsFor } from "../capacity/limits/ports.js";
import type { Load } from "../capacity/load.js";
import type { PortRange } from "../util/endpoint.js";
import { formatCount, plural } from "../util/units.js";
import { formatPortList, parsePortList } from "./value.js";

const LOWEST_PORT = 1024;
const HIGHEST_PORT = 65_535;
/** The range begins on a multiple of it. */
const STEP = 1024;

export interface PortPlan {
  /** Undefined when it stays as it is. */
  readonly range: string | undefined;
  /** The whole list as it is to be; undefined when it stays as it is. */
  readonly reserved: string | undefined;
  /** Ports of services that are reserved by it. */
  readonly added: readonly number[];
  /** Ports that are still missing for each source and destination. */
  readonly missing: number;
}

/**
 * The range and the reserved ports that this load needs. The range is only widened, the list only added to.
 *
 * @param present net.ipv4.ip_local_port_range
 * @param reservedText net.ipv4.ip_local_reserved_ports as the kernel has it
 * @param udpPorts UDP ports in use: the range and the list are UDP's too
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
  // A UDP port inside the range is most likely a client's, and gone the next moment.
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
    // A range that stays as it is endangers nobody anew.
    reserved: isWider && added.length > 0 ? formatPortList(reserved) : undefined,
    added: isWider ? added : [],
    missing: Math.max(0, portsFor(load) - free),
  };
}

/** First upwards, where services are few, then downwards until the free ports do. */
function widen(present: PortRange, wanted: number, blocked: Uint8Array, privileged: number) {
  const count = ({ first, last }: PortRange) => blocked.subarray(first, last + 1).reduce((n, bit) => n + 1 - bit, 0);
  if (count(present) >= wanted) return { range: present, free: count(present) };
  const last = Math.max(present.last, HIGHEST_PORT);
  // The kernel takes no range that begins below ip_unprivileged_port_start.
  const lowest = Math.min(present.first, Math.max(LOWEST_PORT, privileged));
  let first = present.first;
  let free = count({ first, last });
  while (free < wanted && first > lowest) {
    const next = Math.max(lowest, Math.ceil(first / STEP - 1) * STEP);
    free += count({ first: next, last: first - 1 });
    first = next;
  }
  // The kernel prefers ends of different parity (ip-sysctl.rst).
  if ((first + last) % 2 === 0 && first > lowest) first--;
  return { range: { first, last }, free: count({ first, last }) };
}

/** Why the list and the range are as they are to be. */
export function explainPorts({ added, missing }: PortPlan, load: Load): { range: string; reserved: string } {
  const wanted = portsFor(load);
  return {
    range: `${formatCount(load.connections)} connections need ${plural(wanted, "source port")} for each source and destination${
      missing > 0 ? `; ${formatCount(missing)} more than there are` : ""
    }`,
    reserved: `${plural(added.length, "port")} of services inside the wider range: ${list(added)}`,
  };
}

function list(ports: readonly number[]): string {
  const shown = ports.slice(0, 8).join(", ");
  return ports.length > 8 ? `${shown}, …` : shown;
}
