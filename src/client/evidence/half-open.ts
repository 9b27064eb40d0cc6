// Connections that only the client takes for ESTABLISHED: its kernel has the SYN-ACK, and the server's dropped what came after.

import type { ConnectResult } from "../../results/connect.js";
import type { RunEvidence } from "../../results/evidence.js";
import { isQueueFull } from "../../socket-table/listeners/queue-full.js";

interface Ends {
  readonly kernel?: ConnectResult["kernel"];
  readonly evidence: Pick<RunEvidence, "deltas"> & Pick<ConnectResult["evidence"], "peer" | "accepting">;
}

/**
 * @returns how many sockets the server's end lacks while an accept queue overflows, or while they are seen in its SYN queue; 0 where
 *   that end is not to be seen: on another host, or on another port by a redirection
 */
export function countHalfOpen({ kernel, evidence }: Ends): number {
  if (!kernel || kernel.incoming >= kernel.outgoing) return 0;
  const lacking = kernel.outgoing - kernel.incoming;
  const inSynQueue = Math.min(lacking, evidence.accepting?.synReceived ?? 0);
  if (kernel.incoming === 0) return inSynQueue;
  const listeners = evidence.peer?.listeners ?? [];
  const hasOverflowed = listeners.some((listener) =>
    listener.drops === undefined ? (evidence.deltas["TcpExt.ListenOverflows"] ?? 0) > 0 : listener.drops > 0,
  );
  return hasOverflowed || listeners.some(isQueueFull) ? lacking : inSynQueue;
}
