// Recognizes a server that was restarted while connections were being opened: it ends those that it has, refuses others
// for a while, and then accepts again. A server at a limit refuses or closes until there is room.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import { formatCount, formatDuration } from "../../../util/units.js";
import { countTroubles, isEnding } from "../endings.js";
import { seen } from "../local-errors.js";

export const WHY_RESTARTED =
  "find out why the server exited: its log, the journal, and the kernel log for the OOM killer";
/** Share of events that may be out of order, because each thread handles what has arrived in any order. */
const DISORDER = 0.1;

/**
 * @returns undefined if there is no evidence of a restart, if most connections failed or ended for other reasons, or if
 *   there were more error responses
 */
export function explainRestart(result: ConnectResult): Finding | undefined {
  const { failures, losses, lost, evidence } = result;
  const ended = [...failures, ...losses].filter((failure) => isEnding(failure) && failure.phase !== "connect");
  const refused = failures.filter(({ phase, errno }) => phase === "connect" && errno === "ECONNREFUSED");
  const [endings, refusals] = [total(ended), total(refused)];
  if (endings === 0 || 2 * (endings + refusals) < countTroubles(result)) return undefined;
  const anew = evidence.peer?.listeners.find(({ since }) => since === "replaced");
  const hasHandshakes = ended.some(({ phase }) => phase !== "hold");
  const isOutage = wasOut(result, refusals) && evidence.outage!.endedAfter <= DISORDER * endings;
  if (!isOutage && !(anew && hasHandshakes)) return undefined;
  // A server that only opens its listening socket anew keeps the connections that it has accepted.
  const { kept = 0, keptOlder = 0 } = evidence.lossPattern ?? {};
  const hasKept = isOutage ? lost < (1 - DISORDER) * evidence.outage!.readyBefore : keptOlder > DISORDER * kept;
  if (hasKept) return undefined;
  // Without refusals, a server that has ended only handshakes may have kept the connections that were open.
  const what = isOutage || lost > 0 ? "restarted" : "restarted or reloaded";
  const whose =
    lost > 0
      ? `its connections${hasHandshakes ? ", some in their handshakes" : ""}`
      : "connections in their handshakes";
  const meanwhile = isOutage ? `, refused others for ${formatDuration(evidence.outage!.durationMs)},` : "";
  return {
    limit: "peer-ended",
    whose: "peer",
    meaning: `the server was ${what} during the run: it ended ${whose}${meanwhile} and accepted again`,
    fix: WHY_RESTARTED,
    evidence: [
      ...[...ended, ...refused].map(seen),
      ...(isOutage ? [`${formatCount(evidence.outage!.establishedAfter)} were opened after the last refusal`] : []),
      ...(anew ? [`the listening socket on port ${anew.port} has been replaced since the run began`] : []),
    ],
  };
}

/**
 * Returns whether the only destination refused all connections for a while, and accepted others afterwards.
 * @param refusals number of refused connections
 */
export function wasOut({ evidence, destinations }: ConnectResult, refusals: number): boolean {
  const { outage, peer } = evidence;
  if (!outage || destinations.length > 1) return false;
  // If the same socket has listened all the time, something else refused the connections.
  if (peer?.listeners.some(({ since }) => since === "before")) return false;
  // A single refusal may be a packet filter's.
  return outage.durationMs > 0 && outage.establishedAfter > 0 && outage.establishedDuring <= DISORDER * refusals;
}

function total(failures: readonly { readonly count: number }[]): number {
  return failures.reduce((sum, { count }) => sum + count, 0);
}
