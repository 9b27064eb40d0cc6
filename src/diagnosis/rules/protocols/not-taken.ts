// Explains connections that the server's kernel established but the server process never accepted, because it is out of
// descriptors or leaves them in its accept queue. For the client, such connections fail later, in a protocol handshake.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { describeProcess } from "../../../socket-table/listeners/peer-process.js";
import { formatCount } from "../../../util/units.js";
import { explainBlocked, waitingInQueue } from "../accept-queue.js";
import { outOfDescriptors } from "../closed/peer-closed.js";
import { isEnding } from "../endings.js";
import { seen } from "../local-errors.js";

/** Steps between ESTABLISHED and ready. */
export const HANDSHAKES: readonly string[] = ["tls", "upgrade", "request", "connack", "greeting", "first-message"];

/** @returns undefined if the failure is of another kind, or the server is not visible from here */
export function explainNotTaken(result: ConnectResult, failure: FailureReport): Finding | undefined {
  if (!HANDSHAKES.includes(failure.phase)) return undefined;
  if (isEnding(failure)) return outOfDescriptors(result, failure);
  return failure.errno === "ETIMEDOUT" ? leftInQueue(result, failure) : undefined;
}

/** Connections that this run has given up on stay in the server's queue until the server accepts them. */
function leftInQueue(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { listeners = [], process } = result.evidence.peer ?? {};
  const waiting = listeners.reduce((sum, { acceptQueue }) => sum + acceptQueue.used, 0);
  if (waiting === 0) return undefined;
  const server = process ? describeProcess(process) : "the server";
  const state = `${waitingInQueue(waiting)}, ESTABLISHED by its kernel`;
  const evidence = [
    seen(failure),
    ...listeners.map(
      ({ port, acceptQueue }) => `accept queue of port ${port}: ${formatCount(acceptQueue.used)} waiting`,
    ),
  ];
  const blocked = explainBlocked(result, state, evidence);
  return (
    blocked ?? {
      limit: "accept-queue",
      whose: "peer",
      meaning: `${server} does not accept them: ${state}`,
      fix: "check whether the server handles one connection at a time, is at its connection limit, or is too slow: add workers, or connect more slowly (--connect-rate)",
      evidence,
    }
  );
}
