// Chooses a run's source ports.
import { countPortsWithin, readLocalPortRange, readReservedPorts } from "../linux/proc/local-ports.js";
import type { PortRange } from "../util/endpoint.js";
import type { TupleSpec } from "./run-spec.js";
import type { Destination, SourcePorts } from "./tuple-plan.js";

/** Source-port settings of this host. */
export interface PortReadings {
  /** Ephemeral ports (net.ipv4.ip_local_port_range); undefined if they cannot be read. */
  readonly ephemeral: PortRange | undefined;
  /** Ports that the kernel never assigns (net.ipv4.ip_local_reserved_ports). */
  readonly reserved: readonly PortRange[];
  /**
   * Start offset, 0 to 65,535. The offset is random, so that a rerun does not start with the ports of the previous
   * run.
   */
  readonly offset: number;
}

/** The ports that need no privileges (ip_unprivileged_port_start is 1024 by default). */
export const UNPRIVILEGED_PORTS: PortRange = { first: 1024, last: 65_535 };

export function readPorts(): PortReadings {
  return {
    ephemeral: readLocalPortRange(),
    reserved: readReservedPorts() ?? [],
    offset: Math.floor(Math.random() * 65_536),
  };
}

/**
 * @param servers local destinations, whose ports are skipped unless only these ports were requested
 */
export function planPorts(
  { sourcePorts, isSingle, transport }: Pick<TupleSpec, "sourcePorts" | "isSingle" | "transport">,
  { ephemeral, reserved, offset }: PortReadings,
  servers: readonly Destination[] = [],
): SourcePorts {
  if (transport === "packet") {
    // Addresses that belong to no host have no other users, so every port is free.
    const range = sourcePorts === undefined || sourcePorts === "kernel" ? UNPRIVILEGED_PORTS : sourcePorts;
    return { chosenBy: "us", range, startAt: range.first };
  }
  const range = sourcePorts ?? (isSingle ? "kernel" : UNPRIVILEGED_PORTS);
  if (range === "kernel") {
    // If the range is unknown, the kernel reports exhaustion with EADDRNOTAVAIL.
    const { first, last } = ephemeral ?? UNPRIVILEGED_PORTS;
    const withheld = ephemeral ? countPortsWithin(reserved, ephemeral) : 0;
    return { chosenBy: "kernel", available: last - first + 1 - withheld };
  }
  // Start with ephemeral ports, because services that start later need the other ports.
  const isEphemeral = ephemeral && ephemeral.first >= range.first && ephemeral.first <= range.last;
  const first = isEphemeral ? { first: ephemeral.first, last: Math.min(ephemeral.last, range.last) } : range;
  // Avoid the previous run's start: its 4-tuples may be in TIME_WAIT, or still exist at the peer or along the path.
  const startAt = first.first + (offset % (first.last - first.first + 1));
  const inUse = new Set(servers.map(({ port }) => port).filter((port) => port >= range.first && port <= range.last));
  const isAll = inUse.size > range.last - range.first;
  return { chosenBy: "us", range, startAt, first, except: isAll ? [] : [...inUse].sort((a, b) => a - b) };
}
