// Explains connections that a server closed before they were ready, although it made others ready. The address and the
// scheme are then right, so the server has reached a limit, unless it is gone.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { describeProcess } from "../../../socket-table/listeners/peer-process.js";
import { formatCount, plural } from "../../../util/units.js";
import { maximaOf } from "../accept-queue.js";
import { explainClosedListener } from "../closed/peer-closed.js";
import { isEnding } from "../endings.js";
import { seen } from "../local-errors.js";
import { HANDSHAKES } from "./not-taken.js";

/** With this setting, a full accept queue may also cause resets, but that is a different limit. */
const ABORTS = "net.ipv4.tcp_abort_on_overflow";

/** @returns undefined if the failure is of another kind, or no connection became ready */
export function explainClosedOthers(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { ready = 0, evidence, failures } = result;
  if (ready === 0 || !isClosing(failure)) return undefined;
  if (failure.errno === "ECONNRESET" && evidence.settings[ABORTS] === 1) return undefined;
  const closings = failures.filter((other) => other.phase === failure.phase && isClosing(other));
  const closed = closings.reduce((sum, { count }) => sum + count, 0);
  const before = `closed ${plural(closed, "connection")} before ${closed === 1 ? "it was" : "they were"} ready`;
  const { process } = evidence.peer ?? {};
  return (
    explainClosedListener(result, failure) ?? {
      limit: "peer-maximum",
      whose: "peer",
      meaning: `${process ? describeProcess(process) : "the server"} ${before}, but not others: it has reached a limit on connections, or on their rate`,
      fix: `raise the server's limit (${maximaOf(process)}), which its log may name, or connect more slowly (--connect-rate)`,
      evidence: [...closings.map(seen), `${formatCount(ready)} became ready`],
    }
  );
}

/** Proxies that have no connection left to their backend close the client's connection, or answer the upgrade with 500. */
function isClosing(failure: FailureReport): boolean {
  const { phase, errno } = failure;
  if (!HANDSHAKES.includes(phase)) return false;
  return isEnding(failure) || (phase === "upgrade" && errno === "HTTP 500");
}
