// Detects proxies by their sockets: a process that opens a connection for each one it accepts uses two descriptors per
// client.

import { forEachSocketDescriptor } from "../linux/proc/descriptors.js";
import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import { readListeners } from "../socket-table/listeners/listeners.js";
import { isTimeout } from "../socket-table/listeners/peer.js";
import { forEachSocket } from "../socket-table/table.js";

/**
 * Minimum number of accepted connections for a process to count as a proxy. With fewer connections, any server with
 * database connections might look like a proxy.
 */
export const LEAST_ACCEPTED = 10;
/**
 * Minimum ratio of opened to accepted connections. The ratio is below 1, because a proxy may connect only after the
 * first request.
 */
const PROXIED_SHARE = 0.9;
/** Maximum number of descriptors to examine per process. */
const MOST_DESCRIPTORS = 50_000;

/**
 * Returns the processes that have opened a connection for each one accepted; undefined if `signal` has timed out.
 */
export async function findProxies(pids: readonly number[], signal: AbortSignal): Promise<Set<number> | undefined> {
  const owners = new Map<number, number>();
  const looked = new Map<number, number>();
  const visit = (inode: number, pid: number) => {
    const before = looked.get(pid) ?? 0;
    looked.set(pid, before + 1);
    if (before < MOST_DESCRIPTORS) owners.set(inode, pid);
  };
  try {
    await forEachSocketDescriptor(visit, pids, signal);
  } catch (error) {
    if (isTimeout(signal)) return undefined;
    throw error;
  }
  const listening = new Set((await readListeners({})).map(({ port }) => port));
  const accepted = new Map<number, number>();
  const opened = new Map<number, number>();
  await forEachSocket({ states: 1 << TCP_ESTABLISHED }, ({ inode, localPort }) => {
    const pid = owners.get(inode);
    if (pid === undefined) return;
    const counts = listening.has(localPort) ? accepted : opened;
    counts.set(pid, (counts.get(pid) ?? 0) + 1);
  });
  return new Set(
    pids.filter((pid) => {
      const clients = accepted.get(pid) ?? 0;
      return clients >= LEAST_ACCEPTED && (opened.get(pid) ?? 0) >= clients * PROXIED_SHARE;
    }),
  );
}
