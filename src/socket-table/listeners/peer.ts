// Inspects a run's server side if it is on this host: its listeners, their accept queues, and the state of the
// process.

import { hasSocket } from "../../linux/proc/descriptors.js";
import { readProcessFacts } from "../../linux/proc/process-facts.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import type { ElsewhereListener, LocalPeer, PeerListener, ProcessFacts } from "../../results/peer.js";
import type { OwnerRow } from "../../results/sockets/owners.js";
import type { ListenerRow } from "../../results/sockets/socket-table.js";
import type { EndQuery, SocketQuery } from "../query.js";
import { readTable } from "../table.js";
import { readListeners } from "./listeners.js";
import { countByOwner } from "./owner-counts.js";
import { findListening } from "./port-holders.js";

/** Identity of a LISTEN socket, and the number of connections it has dropped. */
export interface ListenQueue {
  readonly inode: number;
  readonly port: number;
  /**
   * Number of SYNs and final ACKs dropped since the socket began to listen, usually because its accept queue was full.
   */
  readonly drops: number;
}

/** Maximum number of listeners at other addresses to report. */
const TOLD_ELSEWHERE = 8;
/** Maximum number of a server's workers to examine. */
const MAX_CANDIDATES = 64;
/** SK_MEMINFO_DROPS in linux/sock_diag.h. */
const DROPS = 8;

/**
 * Inspects the LISTEN sockets on the endpoints in this network namespace.
 *
 * @param local endpoints; see endpointsQuery()
 * @param before result of readListenQueues() at the start of the run
 * @param signal aborts the search for processes; after a timeout, the result names no process
 */
export async function inspectPeer(
  local: EndQuery,
  before?: readonly ListenQueue[],
  signal?: AbortSignal,
): Promise<LocalPeer> {
  const listeners = await readListeners({ local });
  const queues = before && (await readListenQueues(local).catch(() => undefined));
  const droppedBefore = new Map(before?.map(({ inode, drops }) => [inode, drops]));
  const dropped = new Map(queues?.map(({ inode, drops }) => [inode, drops - (droppedBefore.get(inode) ?? 0)]));
  // Workers share their parent's listener. The process with the most connections is the one that runs out of resources
  // first.
  const search = await findOwners(local, signal);
  const { owners } = search;
  const culprit = findCulprit(listeners, owners);
  return {
    listeners: listeners.map(({ ip, port, acceptQueue, uid, inode }) => {
      return { ip, port, acceptQueue, uid, drops: dropped.get(inode), inode, since: sinceWhen(port, inode, before) };
    }),
    elsewhere: await findElsewhere(local, listeners, signal),
    process: culprit ?? (owners[0] && readFacts(owners[0])),
    ...(search.wasCutShort && { wasCutShort: true }),
  };
}

/** Returns the processes with these sockets; none if the search was cut short because it takes too long. */
async function findOwners(
  local: EndQuery,
  signal: AbortSignal | undefined,
): Promise<{ readonly owners: readonly OwnerRow[]; readonly wasCutShort: boolean }> {
  try {
    const { owners } = await countByOwner({ local, wildcardListeners: true }, signal);
    return { owners, wasCutShort: false };
  } catch (error) {
    if (isTimeout(signal)) return { owners: [], wasCutShort: true };
    throw error;
  }
}

/** Returns whether a search has ended because of its time limit. */
export function isTimeout(signal: AbortSignal | undefined): boolean {
  return signal?.reason?.name === "TimeoutError";
}

function sinceWhen(port: number, inode: number, before: readonly ListenQueue[] | undefined): PeerListener["since"] {
  if (!before) return undefined;
  if (before.some((queue) => queue.inode === inode)) return "before";
  return before.some((queue) => queue.port === port) ? "replaced" : "late";
}

/** Finds sockets on the endpoints' ports, other than the endpoints' own listeners. */
async function findElsewhere(
  local: EndQuery,
  own: readonly ListenerRow[],
  signal: AbortSignal | undefined,
): Promise<ElsewhereListener[] | undefined> {
  const ports = [local, ...(local.oneOf ?? [])].flatMap((query) => query.ports ?? []);
  const known = new Set(own.map(({ inode }) => inode));
  const found = await findListening(ports, known, signal).catch(() => undefined);
  return found
    ?.slice(0, TOLD_ELSEWHERE)
    .map(({ ip, port, kind, owner }) => ({ ip, port, kind: kind === "listening" ? kind : "bound", process: owner }));
}

/**
 * Returns a process that serves the destinations and can accept from the longest queue: preferably a stopped process,
 * otherwise the one with the most connections. The result is undefined if all queues are empty or no such process is
 * visible.
 */
function findCulprit(listeners: readonly ListenerRow[], owners: readonly OwnerRow[]): ProcessFacts | undefined {
  const longest = Math.max(0, ...listeners.map(({ acceptQueue }) => acceptQueue.used));
  const stuck = longest > 0 && listeners.find(({ acceptQueue }) => acceptQueue.used === longest);
  if (!stuck) return undefined;
  const candidates = owners
    .slice(0, MAX_CANDIDATES)
    .filter(({ pid }) => hasSocket(pid, stuck.inode))
    .flatMap((owner) => readFacts(owner) ?? []);
  return candidates.find(({ isStopped }) => isStopped) ?? candidates[0];
}

function readFacts({ pid, established }: OwnerRow): ProcessFacts | undefined {
  const facts = readProcessFacts(pid);
  return facts && { ...facts, connections: established };
}

/**
 * Reads the number of drops of each LISTEN socket on the endpoints. The kernel's counters (ListenOverflows), by
 * contrast, cover all listeners in the namespace.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when netlink is refused, because /proc/net/tcp does not report drops
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
