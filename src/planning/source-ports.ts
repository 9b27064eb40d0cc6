// Which source ports a run has, and who chooses among them.
import { countPortsWithin, readLocalPortRange, readReservedPorts } from "../linux/proc/local-ports.js";
import type { PortRange } from "../util/endpoint.js";
import type { TupleSpec } from "./run-spec.js";
import type { Destination, SourcePorts } from "./tuple-plan.js";

/** What this host says about source ports. */
export interface PortReadings {
  /** What the kernel chooses from (net.ipv4.ip_local_port_range); undefined when it may not be read. */
  readonly ephemeral: PortRange | undefined;
  /** What it gives to nobody (net.ipv4.ip_local_reserved_ports). */
  readonly reserved: readonly PortRange[];
  /** From 0 to 65,535: where a walk begins, so that a rerun does not begin where the last run did. */
  readonly offset: number;
}

/** Needs no privilege (ip_unprivileged_port_start is 1024 by default). */
export const UNPRIVILEGED_PORTS: PortRange = { first: 1024, last: 65_535 };

export function readPorts(): PortReadings {
  return {
    ephemeral: readLocalPortRange(),
    reserved: readReservedPorts() ?? [],
    offset: Math.floor(Math.random() * 65_536),
  };
}

/**
 * @param servers destinations on this host: their ports are passed over, unless no others were asked for
 */
export function planPorts(
  { sourcePorts, isSingle }: Pick<TupleSpec, "sourcePorts" | "isSingle">,
  { ephemeral, reserved, offset }: PortReadings,
  servers: readonly Destination[] = [],
): SourcePorts {
  const range = sourcePorts ?? (isSingle ? "kernel" : UNPRIVILEGED_PORTS);
  if (range === "kernel") {
    // Where its range cannot be read, how many there are is for the kernel to say: EADDRNOTAVAIL.
    const { first, last } = ephemeral ?? UNPRIVILEGED_PORTS;
    const withheld = ephemeral ? countPortsWithin(reserved, ephemeral) : 0;
    return { chosenBy: "kernel", available: last - first + 1 - withheld };
  }
  // Begin with the ephemeral ports: services that start later want the others.
  const isEphemeral = ephemeral && ephemeral.first >= range.first && ephemeral.first <= range.last;
  const first = isEphemeral ? { first: ephemeral.first, last: Math.min(ephemeral.last, range.last) } : range;
  // Not where the last run began: its 4-tuples may be in TIME_WAIT, or not quite gone at the peer or on the way.
  const startAt = first.first + (offset % (first.last - first.first + 1));
  const inUse = new Set(servers.map(({ port }) => port).filter((port) => port >= range.first && port <= range.last));
  const isAll = inUse.size > range.last - range.first;
  return { chosenBy: "us", range, startAt, first, except: isAll ? [] : [...inUse].sort((a, b) => a - b) };
}
