// The other end of a run where it is on this host: who listens there, how full its accept queue is, how the process fares.
import { TCP_LISTEN } from "../sys/constants.js";
import { type ProcessFacts, readProcessFacts } from "../sys/process-facts.js";
import { type ListenerRow, readListeners } from "./listeners.js";
import { countByOwner } from "./owners.js";
import type { EndQuery, SocketQuery } from "./query.js";
import { readTable } from "./table.js";

/** A LISTEN socket's place in the kernel's table, and what it has dropped. */
export interface ListenQueue {
  readonly inode: number;
  /** SYNs and ends of handshakes dropped since it began to listen, most often because its accept queue was full. */
  readonly drops: number;
}

export interface PeerListener extends Pick<ListenerRow, "ip" | "port" | "acceptQueue" | "uid"> {
  /** What it has dropped while the run lasted; undefined where the kernel was not asked before, or did not say. */
  readonly drops?: number | undefined;
}

/** SK_MEMINFO_DROPS of linux/sock_diag.h. */
const DROPS = 8;

export interface LocalPeer {
  /** LISTEN sockets on the destinations; none when nobody listens. */
  readonly listeners: readonly PeerListener[];
  /** The process that has most of the sockets there; undefined when none is visible. */
  readonly process: ProcessFacts | undefined;
}

/**
 * Looks at the LISTEN sockets on the endpoints, in this network namespace.
 *
 * @param local the endpoints: see endpointsQuery()
 * @param before what readListenQueues() said when the run began
 */
export async function inspectPeer(local: EndQuery, before?: readonly ListenQueue[]): Promise<LocalPeer> {
  const listeners = await readListeners({ local });
  const queues = before && (await readListenQueues(local).catch(() => undefined));
  const droppedBefore = new Map(before?.map(({ inode, drops }) => [inode, drops]));
  const dropped = new Map(queues?.map(({ inode, drops }) => [inode, drops - (droppedBefore.get(inode) ?? 0)]));
  // Workers share their master's listener: the process that has the connections is the one that fills up.
  const { owners } = await countByOwner({ local, wildcardListeners: true });
  return {
    listeners: listeners.map(({ ip, port, acceptQueue, uid, inode }) => {
      return { ip, port, acceptQueue, uid, drops: dropped.get(inode) };
    }),
    process: owners[0] && readProcessFacts(owners[0].pid),
  };
}

/**
 * What the LISTEN sockets on the endpoints have dropped so far. The kernel's counters (ListenOverflows) are of all
 * listeners of the namespace together; these are their own.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when netlink is refused: /proc/net/tcp does not tell
 */
export async function readListenQueues(local: EndQuery): Promise<ListenQueue[]> {
  let queues: ListenQueue[] = [];
  const query: SocketQuery = {
    states: 1 << TCP_LISTEN,
    local,
    wildcardListeners: true,
    memory: true,
    source: "sock_diag",
  };
  await readTable(query, () => {
    queues = [];
    return (socket) => queues.push({ inode: socket.inode, drops: socket.memoryValue(DROPS) });
  });
  return queues;
}

/** The kernel drops further SYNs to it. */
export function isQueueFull({ acceptQueue: { used, limit } }: Pick<ListenerRow, "acceptQueue">): boolean {
  return limit !== undefined && used > 0 && used >= limit;
}
