// Determines the ports from which the kernel can choose a source port.

import {
  countPortsWithin,
  DEFAULT_PORT_RANGE,
  readLocalPortRange,
  readReservedPorts,
} from "../../linux/proc/local-ports.js";
import type { PortRange } from "../../util/endpoint.js";
import type { ListenerSet } from "../listeners/listeners.js";

export interface PortPoolSize {
  readonly range: PortRange;
  readonly reserved: number;
  readonly listening: number;
  readonly capacity: number;
}

/** Returns net.ipv4.ip_local_port_range without reserved ports and those that sockets listen on. */
export function readPool(listening: ListenerSet): PortPoolSize {
  const range = readLocalPortRange() ?? DEFAULT_PORT_RANGE;
  const reservedPorts = readReservedPorts() ?? [];
  const reserved = countPortsWithin(reservedPorts, range);
  const isIn =
    (port: number) =>
    ({ first, last }: PortRange) =>
      first <= port && port <= last;
  const held = new Set(
    listening.sockets
      .map(({ localPort }) => localPort)
      .filter((port) => isIn(port)(range) && !reservedPorts.some(isIn(port))),
  ).size;
  return { range, reserved, listening: held, capacity: range.last - range.first + 1 - reserved - held };
}
