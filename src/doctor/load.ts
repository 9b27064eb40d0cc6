// What is asked of the host: how many connections, which of their ends are here, where they go and what they carry.
import type { TuplePlan } from "../engine/planner.js";
import type { Server } from "./server.js";

export type Role = "server" | "client" | "both";

export interface Load {
  readonly connections: number;
  readonly role: Role;
  /** The 4-tuples that a client has; undefined for a server. */
  readonly plan: TuplePlan | undefined;
  /** Source addresses of the plan were not given: on loopback there are always more. */
  readonly hasAddressesAtWill: boolean;
  /** 4-tuples of the plan that no new connection gets: sockets hold them, or have bound or listen on the port. */
  readonly portsTaken: number;
  /** Those of ports that other sockets have, where it cannot be told whether they are in the way. */
  readonly portsDoubtful: number;
  /** The destination's server, when it is on this host and was named. */
  readonly peer: Server | undefined;
  readonly target: string | undefined;
  /** Messages per second and connection; 0 for connections at rest. */
  readonly messageRatePerSec: number;
  readonly messageBytes: number;
  /** Handshakes in flight at once. */
  readonly burst: number;
  readonly cost: ConnectionCost;
}

/** What one connection takes of this host. */
export interface ConnectionCost {
  /** Kernel memory of one end, in bytes. */
  readonly kernelBytesPerEnd: number;
  /** What of it a memory cgroup is charged with: less, as sockets that a server accepts are made outside of any. */
  readonly chargedBytesPerEnd: number;
  /** User memory of one end in our programs, in bytes. */
  readonly userBytesPerEnd: number;
  /** CPU seconds to open one connection, both ends. */
  readonly cpuSecondsPerConnection: number;
  readonly isMeasured: boolean;
}

/** Ends of each connection that are on this host. */
export function endsHere({ role }: Pick<Load, "role">): number {
  return role === "both" ? 2 : 1;
}

/** Memory of the host that one connection takes. */
export function bytesPerConnection(load: Load): number {
  return endsHere(load) * (load.cost.kernelBytesPerEnd + load.cost.userBytesPerEnd);
}

/** What one connection takes of a memory cgroup that has its ends. */
export function chargedPerConnection(load: Load): number {
  return endsHere(load) * (load.cost.chargedBytesPerEnd + load.cost.userBytesPerEnd);
}
