// A snapshot of the sockets of a port, taken inside a host by snapshot-program.ts: counts, some 4-tuples, ports in use.
import { fileURLToPath } from "node:url";
import type { TcpState } from "../../results/sockets/socket-table.js";
import type { FourTuple } from "../../util/endpoint.js";
import { formatCount } from "../../util/units.js";
import type { Host } from "../testbed/host.js";

export interface SnapshotRequest {
  readonly host: Host["name"];
  readonly port: number;
  /** The host's own addresses. */
  readonly ips: readonly string[];
  /** The other host's: sockets towards others are none of the lab's. */
  readonly peerIps: readonly string[];
  /** 4-tuples to tell of at most. */
  readonly tuples: number;
}

export interface SeenField {
  readonly ip: string;
  readonly sockets: number;
  /** Runs of ports in use, both ends included. */
  readonly used: readonly (readonly [first: number, last: number])[];
}

/** Sockets in one state, and the timer that will end it. */
export interface SeenTimer {
  readonly state: TcpState;
  /** Sockets without any timer: nothing but a packet or their program moves them. */
  readonly without: number;
  /** Until it fires, over those with one; 0 when none has. */
  readonly shortestMs: number;
  readonly longestMs: number;
}

export interface SocketSnapshot {
  readonly source: string;
  /** Between these two moments the table was read, in milliseconds since the epoch. */
  readonly atMs: readonly [before: number, after: number];
  /** Sockets by state, whichever end has the port. */
  readonly states: Readonly<Partial<Record<TcpState, number>>>;
  /** One for each state. */
  readonly timers: readonly SeenTimer[];
  /** ESTABLISHED sockets with the port as their own: accepted. */
  readonly incoming: number;
  /** ESTABLISHED sockets towards the port: opened from here. */
  readonly outgoing: number;
  /** Different local ports of the sockets towards it. */
  readonly sourcePorts: number;
  readonly tuples: readonly FourTuple[];
  /** Local ports of all ESTABLISHED sockets between the hosts, whichever port is at their other end; of 64 addresses at most. */
  readonly fields: readonly SeenField[];
}

/** How many different local ports its fields have together. */
export function countLocalPorts({ fields }: Pick<SocketSnapshot, "fields">): number {
  const ports = new Set<number>();
  for (const [first, last] of fields.flatMap(({ used }) => used)) {
    for (let port = first; port <= last; port++) ports.add(port);
  }
  return ports.size;
}

/** Takes a snapshot of a port, from inside a host. */
export async function takeSnapshot(host: Host, port: number, tuples = 0): Promise<SocketSnapshot> {
  const file = fileURLToPath(new URL("./snapshot-program.js", import.meta.url));
  const request: SnapshotRequest = { host: host.name, port, ips: host.ips, peerIps: host.peerIps, tuples };
  return JSON.parse(await host.execNode(file, [JSON.stringify(request)]));
}

export const NOTHING = "nothing";

/** `50 ESTABLISHED`, `nothing`. */
export function describeStates(states: Partial<Record<TcpState, number>>): string {
  const shown = Object.entries(states).filter(([state, count]) => state !== "LISTEN" && count > 0);
  return shown.length === 0 ? NOTHING : shown.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ");
}
