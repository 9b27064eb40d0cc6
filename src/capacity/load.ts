// Describes a load on the host: how many connections there are, which of their ends are on this host, where they go
// and what they send.

import type { CheckedSources } from "../planning/sources.js";
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { TransportName } from "../results/engine.js";
import type { BadSource } from "../results/peer.js";
import type { ConnectionCost, Program, Role } from "../results/prediction.js";
import type { Family } from "../util/address.js";
import type { Engines } from "./engines.js";
import type { OnLink } from "./on-link.js";
import type { Server } from "./server.js";

export interface Load {
  readonly program: Program;
  /** I/O engines in use, if the program is fourtuple. */
  readonly engines: Engines;
  readonly connections: number;
  readonly role: Role;
  /** Whose TCP the client uses; with `packet`, its end has no kernel sockets. Default `kernel`. */
  readonly transport?: TransportName | undefined;
  /** 4-tuples available to a client; undefined for a server. */
  readonly plan: TuplePlan | undefined;
  /** True if no source addresses were given. Over loopback, more source addresses can then always be used. */
  readonly hasAddressesAtWill: boolean;
  /**
   * Number of 4-tuples unavailable to new connections because a socket holds them, is bound to the port or listens on
   * it.
   */
  readonly portsInUse: number;
  /** Number of these 4-tuples in TIME_WAIT, and the time until the last one expires. */
  readonly timeWaits: { readonly tuples: number; readonly lastMs: number };
  /** Number of 4-tuples that may or may not be available, because other sockets use their port. */
  readonly portsDoubtful: number;
  /** Requested source addresses that this host cannot use; not part of the plan. */
  readonly badSources: Pick<CheckedSources, "bad" | "badCount">;
  /** Destinations without a route; not part of the plan. */
  readonly unreachable: readonly BadSource[];
  /** Number of addresses in the plan that share a link with the other end, by family. */
  readonly onLink: Readonly<Record<Family, OnLink>>;
  /** The server at the destination, if a destination was given and is on this host. */
  readonly peer: Server | undefined;
  readonly target: string | undefined;
  /** Connections opened and closed per second; undefined if not requested. */
  readonly connectRatePerSec: number | undefined;
  /** Messages per second on each connection; 0 for idle connections. */
  readonly messageRatePerSec: number;
  readonly messageBytes: number;
  /** Maximum number of handshakes in flight. */
  readonly burst: number;
  readonly cost: ConnectionCost;
}

type Side = "client" | "server";

/** Returns how many ends of each connection are on this host and have kernel sockets. */
export function endsHere(load: Pick<Load, "role" | "transport">): number {
  const { role, transport } = load;
  return (role === "both" ? 2 : 1) - (transport === "packet" && role !== "server" ? 1 : 0);
}

/** Returns how many of a connection's ends on this host are held in io_urings. */
export function endsInRings(load: Pick<Load, "program" | "role" | "engines" | "transport">): number {
  const { program, role, engines, transport } = load;
  if (program !== "fourtuple") return 0;
  const client = role !== "server" && engines.client === "uring" && transport !== "packet" ? 1 : 0;
  const server = role !== "client" && engines.server === "uring" ? 1 : 0;
  return client + server;
}

/** Returns the CPU seconds that this host needs to open one connection. */
export function cpuPerConnection(load: Pick<Load, "role" | "cost">): number {
  const { cpuSecondsPerConnection, protocol } = load.cost;
  return sumHere(load, (side) => protocol?.cpuSecondsPerConnection[side] ?? cpuSecondsPerConnection / 2);
}

/** Returns the CPU seconds that this host needs for a message and its answer. */
export function cpuPerMessage(load: Pick<Load, "role" | "cost">): number {
  return sumHere(load, () => load.cost.cpuSecondsPerMessage / 2);
}

/** Returns the CPU seconds per second that this host needs for the protocol's heartbeats on one connection. */
export function heartbeatCores(load: Pick<Load, "role" | "cost">): number {
  const heartbeats = load.cost.protocol?.heartbeats;
  return heartbeats ? sumHere(load, (side) => heartbeats.cpuSeconds[side]) / heartbeats.intervalSeconds : 0;
}

/** Returns the memory of this host used by one connection, in bytes. */
export function bytesPerConnection(load: Load): number {
  return sumHere(load, (side) => (hasSocket(load, side) ? load.cost.kernelBytesPerEnd : 0) + userBytes(load, side));
}

/** Returns the memory charged to a cgroup for its ends of one connection, in bytes. */
export function chargedPerConnection(load: Load): number {
  return sumHere(load, (side) => (hasSocket(load, side) ? load.cost.chargedBytesPerEnd : 0) + userBytes(load, side));
}

function hasSocket({ transport }: Pick<Load, "transport">, side: Side): boolean {
  return side === "server" || transport !== "packet";
}

function userBytes({ cost: { userBytesPerEnd, isUserMemoryGiven, protocol } }: Load, side: Side): number {
  return isUserMemoryGiven || protocol === undefined ? userBytesPerEnd : protocol.userBytes[side];
}

/** Sums a cost over the ends on this host. */
function sumHere({ role }: Pick<Load, "role">, of: (side: Side) => number): number {
  return role === "both" ? of("client") + of("server") : of(role);
}
