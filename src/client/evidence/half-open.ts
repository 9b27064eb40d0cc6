// Detects connections that only the client considers ESTABLISHED: the client received the SYN-ACK, but the server
// dropped the final ACK.

import type { ConnectResult } from "../../results/connect.js";
import type { RunEvidence } from "../../results/evidence.js";
import { isQueueFull } from "../../socket-table/listeners/queue-full.js";

interface Ends extends Pick<ConnectResult, "openAtStop"> {
  readonly kernel?: ConnectResult["kernel"];
  readonly evidence: Pick<RunEvidence, "deltas"> & Pick<ConnectResult["evidence"], "peer" | "accepting">;
}

/** Returns the number of connections at this end: the kernel's count, or our own if there are no sockets here. */
export function outgoingOf({ kernel, openAtStop }: Omit<Ends, "evidence">): number {
  return kernel?.outgoing ?? openAtStop;
}

/**
 * @returns number of sockets missing at the server while an accept queue overflows, or while they are visible in the
 *   SYN queue; 0 if the server's sockets are not visible because it is on another host or reached through a port
 *   redirection
 */
export function countHalfOpen(ends: Ends): number {
  const { kernel, evidence } = ends;
  const outgoing = outgoingOf(ends);
  if (!kernel || kernel.incoming >= outgoing) return 0;
  const lacking = outgoing - kernel.incoming;
  const inSynQueue = Math.min(lacking, evidence.accepting?.synReceived ?? 0);
  if (kernel.incoming === 0) return inSynQueue;
  const listeners = evidence.peer?.listeners ?? [];
  const hasOverflowed = listeners.some((listener) =>
    listener.drops === undefined ? (evidence.deltas["TcpExt.ListenOverflows"] ?? 0) > 0 : listener.drops > 0,
  );
  return hasOverflowed || listeners.some(isQueueFull) ? lacking : inSynQueue;
}
