// Inspects a server on this host: finds every process that accepts its connections, and how many more each can take.

import { forEachSocketDescriptor } from "../linux/proc/descriptors.js";
import { readParent, readProcessFacts } from "../linux/proc/process-facts.js";
import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import type { LocalPeer, ProcessFacts } from "../results/peer.js";
import { readListeners } from "../socket-table/listeners/listeners.js";
import { inspectPeer, isTimeout } from "../socket-table/listeners/peer.js";
import type { EndQuery } from "../socket-table/query.js";
import { forEachSocket } from "../socket-table/table.js";
import { findProxies, LEAST_ACCEPTED } from "./proxies.js";

export interface Server extends LocalPeer {
  /** Number of connections held, including those in the server's accept queues. */
  readonly held: number;
  /**
   * Processes that accept connections, excluding a master whose children share its listeners. Empty if no such process
   * is visible.
   */
  readonly workers: readonly Worker[];
  /** Accept queues of the server's LISTEN sockets. */
  readonly queues: readonly AcceptQueue[];
}

export interface Worker extends ProcessFacts {
  /** True if the server has opened one connection per accepted one, so that each client takes two descriptors. */
  readonly isProxy: boolean;
}

export interface AcceptQueue {
  /** Number of connections that still fit; undefined if the queue's length cannot be read. */
  readonly room: number | undefined;
  /** True if every process that accepts connections is stopped (SIGSTOP). */
  readonly isStopped: boolean;
}

/** Time to search for the server's processes. Other programs may have millions of open files. */
const SEARCH_MS = 10_000;

/**
 * Inspects the server at the endpoints, in this network namespace.
 *
 * @param signal ends the search for processes; after a timeout, the result has none of them
 */
export async function inspectServer(local: EndQuery, signal = AbortSignal.timeout(SEARCH_MS)): Promise<Server> {
  const peer = await inspectPeer(local, undefined, signal);
  const listeners = await readListeners({ local });
  const holders = await findHolders(new Set(listeners.map(({ inode }) => inode)), signal);
  const workers = new Map<number, ProcessFacts>();
  for (const pid of new Set([...(holders?.values() ?? [])].flat())) {
    const facts = readProcessFacts(pid);
    if (facts) workers.set(pid, facts);
  }
  let held = 0;
  await forEachSocket({ states: 1 << TCP_ESTABLISHED, local }, () => held++);
  const proxies = held < LEAST_ACCEPTED ? new Set() : await findProxies([...workers.keys()], signal);
  return {
    ...peer,
    ...((peer.wasCutShort || !holders || !proxies) && { wasCutShort: true }),
    held,
    workers: [...workers.values()].map((worker) => ({ ...worker, isProxy: proxies?.has(worker.pid) === true })),
    queues: listeners.map(({ inode, acceptQueue: { used, limit } }) => {
      const pids = holders?.get(inode) ?? [];
      return {
        // A queue holds one connection more than its length (sk_acceptq_is_full).
        room: limit === undefined ? undefined : Math.max(0, limit + 1 - used),
        isStopped: pids.length > 0 && pids.every((pid) => workers.get(pid)?.isStopped),
      };
    }),
  };
}

/**
 * Finds the processes that hold each of these sockets, excluding parents of other holders.
 * @returns undefined if `signal` has timed out
 */
async function findHolders(
  inodes: ReadonlySet<number>,
  signal: AbortSignal,
): Promise<Map<number, number[]> | undefined> {
  const found = new Map<number, Set<number>>();
  const visit = (inode: number, pid: number) => {
    if (inodes.has(inode)) found.set(inode, (found.get(inode) ?? new Set()).add(pid));
  };
  try {
    await forEachSocketDescriptor(visit, undefined, signal);
  } catch (error) {
    if (!isTimeout(signal)) throw error;
    // Some of the holders are worse than none: their room would be taken for the server's.
    return undefined;
  }
  return new Map(
    [...found].map(([inode, pids]) => {
      const parents = new Set([...pids].map(readParent));
      return [inode, [...pids].filter((pid) => !parents.has(pid))];
    }),
  );
}
