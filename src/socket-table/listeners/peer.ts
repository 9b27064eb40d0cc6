// The other end of a run where it is on this host: who listens there, how full its accept queue is, how the process fares.

import { hasSocket } from "../../linux/proc/descriptors.js";
import { readProcessFacts } from "../../linux/proc/process-facts.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { ElsewhereListener, LocalPeer, PeerListener, ProcessFacts } from "../../results/peer.js";
import type { OwnerRow } from "../../results/sockets/owners.js";
import type { ListenerRow } from "../../results/sockets/socket-table.js";
import type { EndQuery, SocketQuery } from "../query.js";
import { readTable } from "../table.js";
import { readListeners } from "./listeners.js";
import { countByOwner } from "./owners.js";
import { findListening } from "./port-holders.js";

/** A LISTEN socket's place in the kernel's table, and what it has dropped. */
export interface ListenQueue {
  readonly inode: number;
  readonly port: number;
  /** SYNs and ends of handshakes dropped since it began to listen, most often because its accept queue was full. */
  readonly drops: number;
}

/** Of those elsewhere, so many are told. */
const TOLD_ELSEWHERE = 8;
/** A server with more workers is judged by these. */
const MAX_CANDIDATES = 64;
/** SK_MEMINFO_DROPS of linux/sock_diag.h. */
const DROPS = 8;

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
  const culprit = findCulprit(listeners, owners);
  return {
    listeners: listeners.map(({ ip, port, acceptQueue, uid, inode }) => {
      return { ip, port, acceptQueue, uid, drops: dropped.get(inode), inode, since: sinceWhen(port, inode, before) };
    }),
    elsewhere: await findElsewhere(local, listeners),
    process: culprit ?? (owners[0] && readProcessFacts(owners[0].pid)),
  };
}

function sinceWhen(port: number, inode: number, before: readonly ListenQueue[] | undefined): PeerListener["since"] {
  if (!before) return undefined;
  if (before.some((queue) => queue.inode === inode)) return "before";
  return before.some((queue) => queue.port === port) ? "replaced" : "late";
}

/** Everybody on the endpoints' ports but their own listeners. */
async function findElsewhere(local: EndQuery, own: readonly ListenerRow[]): Promise<ElsewhereListener[] | undefined> {
  const ports = [local, ...(local.oneOf ?? [])].flatMap((query) => query.ports ?? []);
  const known = new Set(own.map(({ inode }) => inode));
  const found = await findListening(ports, known).catch(() => undefined);
  return found
    ?.slice(0, TOLD_ELSEWHERE)
    .map(({ ip, port, kind, owner }) => ({ ip, port, kind: kind === "listening" ? kind : "bound", process: owner }));
}

/**
 * Of the processes that serve the destinations, one that could take from the longest accept queue: one that is stopped first, then
 * the one with the most connections. undefined where no queue has anything, or nobody's is visible.
 */
function findCulprit(listeners: readonly ListenerRow[], owners: readonly OwnerRow[]): ProcessFacts | undefined {
  const longest = Math.max(0, ...listeners.map(({ acceptQueue }) => acceptQueue.used));
  const stuck = longest > 0 && listeners.find(({ acceptQueue }) => acceptQueue.used === longest);
  if (!stuck) return undefined;
  const candidates = owners
    .slice(0, MAX_CANDIDATES)
    .filter(({ pid }) => hasSocket(pid, stuck.inode))
    .flatMap(({ pid }) => readProcessFacts(pid) ?? []);
  return candidates.find(({ isStopped }) => isStopped) ?? candidates[0];
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
    return (socket) => queues.push({ inode: socket.inode, port: socket.localPort, drops: socket.memoryValue(DROPS) });
  });
  return queues;
}
