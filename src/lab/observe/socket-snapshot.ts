// Snapshot of a port's sockets, taken inside a host by in-host-socket-table.ts: counts, some 4-tuples, and ports in
// use.
import type { TcpState } from "../../results/sockets/socket-table.js";
import type { FourTuple } from "../../util/endpoint.js";
import { formatCount } from "../../util/units.js";
import type { Host } from "../testbed/host.js";

export interface SnapshotRequest {
  readonly host: Host["name"];
  readonly port: number;
  /** Addresses of this host. */
  readonly ips: readonly string[];
  /** Addresses of the other host. Sockets to any other address do not belong to the lab. */
  readonly peerIps: readonly string[];
  /** Maximum number of 4-tuples to include. */
  readonly tuples: number;
}

export interface SeenField {
  readonly ip: string;
  readonly sockets: number;
  /** Ranges of ports in use, both ends included. */
  readonly used: readonly (readonly [first: number, last: number])[];
}

/** Sockets in one state, and the timers that end that state. */
export interface SeenTimer {
  readonly state: TcpState;
  /** Number of sockets without a timer. Only a packet or the sockets' program can change their state. */
  readonly without: number;
  /** Range of times until the timer fires, over the sockets that have one; 0 if none has. */
  readonly shortestMs: number;
  readonly longestMs: number;
}

export interface SocketSnapshot {
  readonly source: string;
  /** Times before and after reading the table, in milliseconds since the epoch. */
  readonly atMs: readonly [before: number, after: number];
  /** Number of sockets by state, at either end of the port. */
  readonly states: Readonly<Partial<Record<TcpState, number>>>;
  /** Timers of each state. */
  readonly timers: readonly SeenTimer[];
  /** Number of ESTABLISHED sockets whose local port is this port (accepted). */
  readonly incoming: number;
  /** Number of ESTABLISHED sockets whose remote port is this port (opened from here). */
  readonly outgoing: number;
  /** Number of distinct local ports of the sockets connected to the port. */
  readonly sourcePorts: number;
  readonly tuples: readonly FourTuple[];
  /**
   * Local ports of all ESTABLISHED sockets between the hosts, regardless of the remote port; for at most 64 addresses.
   */
  readonly fields: readonly SeenField[];
}

/** Counts the distinct local ports in all fields. */
export function countLocalPorts({ fields }: Pick<SocketSnapshot, "fields">): number {
  const ports = new Set<number>();
  for (const [first, last] of fields.flatMap(({ used }) => used)) {
    for (let port = first; port <= last; port++) ports.add(port);
  }
  return ports.size;
}

/** Takes a snapshot of a port from inside a host. */
export async function takeSnapshot(host: Host, port: number, tuples = 0): Promise<SocketSnapshot> {
  const request: SnapshotRequest = { host: host.name, port, ips: host.ips, peerIps: host.peerIps, tuples };
  return JSON.parse(await host.execEntry("lab/observe/in-host-socket-table", JSON.stringify(request)));
}

export const NOTHING = "nothing";

/** Returns a text such as `50 ESTABLISHED` or `nothing`. */
export function describeStates(states: Partial<Record<TcpState, number>>): string {
  const shown = Object.entries(states).filter(([state, count]) => state !== "LISTEN" && count > 0);
  return shown.length === 0 ? NOTHING : shown.map(([state, count]) => `${formatCount(count)} ${state}`).join(", ");
}
