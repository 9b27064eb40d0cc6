// What is asked of the host: how many connections, which of their ends are here, where they go and what they carry.

import type { CheckedSources } from "../planning/sources.js";
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { EngineName } from "../results/engine.js";
import type { BadSource } from "../results/peer.js";
import type { ConnectionCost, Program, Role } from "../results/prediction.js";
import type { Family } from "../util/address.js";
import type { OnLink } from "./on-link.js";
import type { Server } from "./server.js";

export interface Load {
  readonly program: Program;
  /** What carries the connections of a program of ours. */
  readonly engine: EngineName;
  readonly connections: number;
  readonly role: Role;
  /** The 4-tuples that a client has; undefined for a server. */
  readonly plan: TuplePlan | undefined;
  /** Source addresses of the plan were not given: on loopback there are always more. */
  readonly hasAddressesAtWill: boolean;
  /** 4-tuples of the plan that no new connection gets: sockets hold them, or have bound or listen on the port. */
  readonly portsInUse: number;
  /** Those of them in TIME_WAIT, and until the last of these ends. */
  readonly timeWaits: { readonly tuples: number; readonly lastMs: number };
  /** Those of ports that other sockets have, where it cannot be told whether they are in the way. */
  readonly portsDoubtful: number;
  /** Source addresses that were given and that this host cannot use: the plan is without them. */
  readonly badSources: Pick<CheckedSources, "bad" | "badCount">;
  /** Destinations that no packet can leave to: the plan is without them. */
  readonly unreachable: readonly BadSource[];
  /** Addresses of the plan that share a link with the other end's, by family. */
  readonly onLink: Readonly<Record<Family, OnLink>>;
  /** The destination's server, when it is on this host and was named. */
  readonly peer: Server | undefined;
  readonly target: string | undefined;
  /** Connections per second that come and go; undefined when that is not asked. */
  readonly connectRatePerSec: number | undefined;
  /** Messages per second and connection; 0 for connections at rest. */
  readonly messageRatePerSec: number;
  readonly messageBytes: number;
  /** Handshakes in flight at once. */
  readonly burst: number;
  readonly cost: ConnectionCost;
}

/** Ends of each connection that are on this host. */
export function endsHere({ role }: Pick<Load, "role">): number {
  return role === "both" ? 2 : 1;
}

/** CPU seconds of this host to open one connection. */
export function cpuPerConnection(load: Pick<Load, "role" | "cost">): number {
  return (load.cost.cpuSecondsPerConnection * endsHere(load)) / 2;
}

/** CPU seconds of this host for a message and its answer. */
export function cpuPerMessage(load: Pick<Load, "role" | "cost">): number {
  return (load.cost.cpuSecondsPerMessage * endsHere(load)) / 2;
}

/** Memory of the host that one connection takes. */
export function bytesPerConnection(load: Load): number {
  return endsHere(load) * (load.cost.kernelBytesPerEnd + load.cost.userBytesPerEnd);
}

/** What one connection takes of a memory cgroup that has its ends. */
export function chargedPerConnection(load: Load): number {
  return endsHere(load) * (load.cost.chargedBytesPerEnd + load.cost.userBytesPerEnd);
}
