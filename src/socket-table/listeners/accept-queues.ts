// Reads accept queues and their drops by endpoint, and counts sockets by state, for monitoring.

import { readTcpExtensions } from "../../linux/proc/procfs.js";
import { TCP_LISTEN, TCP_STATES } from "../../linux/syscalls/constants.js";
import type { TcpState } from "../../results/sockets/socket-table.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { type SocketFilter, toQuery } from "../filter.js";
import type { GroupVisitor } from "../sources/groups.js";
import { readTable, type SocketVisit } from "../table.js";
import { DropTotals } from "./drop-totals.js";

/** SK_MEMINFO_DROPS in linux/sock_diag.h. */
const DROPS = 8;

/** An address and port, combining all LISTEN sockets with SO_REUSEPORT. */
export interface EndpointQueue {
  readonly ip: string;
  readonly port: number;
  readonly length: number;
  /**
   * Sum of each backlog plus one. The sum is undefined if read from /proc/net/tcp, which does not report it; the
   * same goes for `drops`.
   */
  readonly capacity: number | undefined;
  /**
   * Number of SYNs and final ACKs dropped since the socket began to listen, usually because its accept queue was
   * full. Sockets with SO_REUSEPORT that have closed count only if an earlier reading saw them.
   */
  readonly drops: number | undefined;
}

export interface ListenerQueues {
  /** Fullest queue first. */
  readonly endpoints: readonly EndpointQueue[];
  readonly byState: ReadonlyMap<TcpState, number>;
  /** Kernel counters since boot, over all listening sockets in the namespace; undefined if /proc lacks them. */
  readonly listenOverflows: number | undefined;
  readonly listenDrops: number | undefined;
}

/** Counts the sockets of one pass by state. */
export class StateCounts {
  /** Indexed by state. */
  counts = new Int32Array(TCP_STATES.length);

  readonly groups: GroupVisitor = {
    addGroup: ({ state }, sockets) => {
      this.counts[state]! += sockets;
    },
  };

  /** Discards the counts and returns the visitor for a new attempt; see readTable(). */
  begin(): SocketVisit {
    const counts = new Int32Array(TCP_STATES.length);
    this.counts = counts;
    return ({ state }) => {
      counts[state]!++;
    };
  }
}

/**
 * @param connections counts of all sockets except LISTEN, if already available; otherwise, the sockets are read
 *   here
 * @param totals drops of earlier readings with the same filter
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the socket table cannot be read
 */
export async function listenerQueues(
  filter: SocketFilter,
  connections?: StateCounts,
  totals = new DropTotals(),
): Promise<ListenerQueues> {
  let listeners = 0;
  let endpoints = new Map<string, { ip: string; port: number; length: number; capacity: number }>();
  let dropsBySocket = new Map<string, Map<number, number>>();
  const listening = { ...toQuery({ ...filter, memory: true }), remote: undefined, states: 1 << TCP_LISTEN };
  const { source } = await readTable(listening, () => {
    endpoints = new Map();
    dropsBySocket = new Map();
    listeners = 0;
    return (socket) => {
      listeners++;
      const { localIp: ip, localPort: port } = socket;
      const key = formatEndpoint(ip, port);
      const row = endpoints.get(key) ?? { ip, port, length: 0, capacity: 0 };
      const drops = dropsBySocket.get(key) ?? new Map<number, number>();
      row.length += socket.receiveQueue;
      row.capacity += socket.sendQueue + 1; // sk_acceptq_is_full() admits one connection more than the backlog.
      drops.set(socket.inode, socket.memoryValue(DROPS));
      endpoints.set(key, row);
      dropsBySocket.set(key, drops);
    };
  });
  const states = connections ?? new StateCounts();
  if (connections) states.counts[TCP_LISTEN] = listeners;
  else await readTable({ ...toQuery({ ...filter, memory: false }), tuplesOnly: true }, () => states.begin());
  const counters = readTcpExtensions();
  const isTold = source === "sock_diag";
  const drops = isTold ? totals.update(dropsBySocket) : undefined;
  const named = TCP_STATES.flatMap((name, state) =>
    name === "UNKNOWN" || name === "NEW_SYN_RECV" ? [] : [[name, states.counts[state]!] as const],
  );
  return {
    endpoints: [...endpoints]
      .map(([key, row]) => ({ ...row, capacity: isTold ? row.capacity : undefined, drops: drops?.get(key) }))
      .sort((a, b) => b.length - a.length || a.port - b.port || (a.ip < b.ip ? -1 : 1)),
    byState: new Map(named),
    listenOverflows: counters["TcpExt.ListenOverflows"],
    listenDrops: counters["TcpExt.ListenDrops"],
  };
}
