// Determines the ports from which the kernel can choose a source port.

import { DEFAULT_PORT_RANGE, readLocalPortRange, readReservedPorts } from "../../linux/proc/local-ports.js";
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
  const isReserved = new Uint8Array(65_536);
  for (const { first, last } of readReservedPorts() ?? []) isReserved.fill(1, first, last + 1);
  let reserved = 0;
  let held = 0;
  for (let port = range.first; port <= range.last; port++) {
    if (isReserved[port]) reserved++;
    else if (listening.ports[port]) held++;
  }
  return { range, reserved, listening: held, capacity: range.last - range.first + 1 - reserved - held };
}
