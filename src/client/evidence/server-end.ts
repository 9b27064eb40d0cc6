// The server's end of a run, where it is on this host: its listening sockets, its process, and what the kernel's table counts.
import type { Targets } from "../../planning/targets.js";
import type { ConnectResult } from "../../results/connect.js";
import type { LocalPeer } from "../../results/peer.js";
import { countSockets } from "../../socket-table/count.js";
import { inspectPeer, type ListenQueue, readListenQueues } from "../../socket-table/listeners/peer.js";

/** The server's listening sockets, where they are on this host and can be seen. */
export async function readServerQueues(targets: Targets): Promise<readonly ListenQueue[] | undefined> {
  if (!targets.isLocal) return undefined;
  return readListenQueues(targets.endpoints).catch(() => undefined);
}

/** Looks at the server's side, where that is this host. @param before its listening sockets when the run began */
export async function inspectServer(
  targets: Targets,
  before: readonly ListenQueue[] | undefined,
): Promise<LocalPeer | undefined> {
  return targets.isLocal ? inspectPeer(targets.endpoints, before) : undefined;
}

/** Counts the held connections in the kernel's socket table, from both ends where both are here. */
export async function countInKernel(targets: Targets): Promise<ConnectResult["kernel"]> {
  const { endpoints, isLocal } = targets;
  const outgoing = await countSockets({ end: "remote", endpoints });
  const incoming = isLocal ? await countSockets({ end: "local", endpoints }) : undefined;
  return { source: outgoing.source, outgoing: outgoing.sockets, incoming: incoming?.sockets ?? 0 };
}
