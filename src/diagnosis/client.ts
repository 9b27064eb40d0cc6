// Explains why a client run missed its target. Each rule recognizes one pattern in the evidence. Rules are tried in
// order on the most frequent failure, and the first match wins.

import { outcomeOf } from "../client/verdict/verdict.js";
import type { ConnectResult } from "../results/connect.js";
import type { Finding, Suspect } from "../results/diagnosis.js";
import type { FailureReport } from "../results/fields.js";
import { formatBytes } from "../util/units.js";
import { explainClientOnly, explainUnaccepted } from "./rules/accept-queue.js";
import { explainPeerClosed } from "./rules/closed/peer-closed.js";
import { explainRestart } from "./rules/closed/restart.js";
import { sameAs } from "./rules/endings.js";
import { explainErrno } from "./rules/errnos.js";
import { explainLostAgents } from "./rules/fleet/lost-agents.js";
import { explainUngreeted } from "./rules/greeting.js";
import { explainLocalErrors, seen } from "./rules/local-errors.js";
import { explainLocal, isUnusual } from "./rules/local-refusals.js";
import { describeMemoryStop, explainFileStop } from "./rules/memory-stop.js";
import { explainFullBuffers, explainMessages } from "./rules/messages.js";
import { explainNeighbours } from "./rules/neighbours.js";
import { nameDestinations } from "./rules/path/destinations.js";
import { explainIcmp } from "./rules/path/icmp.js";
import { explainClosedOthers } from "./rules/protocols/closed-others.js";
import { explainHttp } from "./rules/protocols/http.js";
import { explainNotTaken } from "./rules/protocols/not-taken.js";
import { explainClosedEarly, explainHandlerErrors } from "./rules/protocols/script.js";
import { explainRefusedProtocol } from "./rules/refusals.js";
import { explainRefused, explainSelfConnect } from "./rules/refused.js";
import { explainStandstill, explainStandstillLatency } from "./rules/standstill.js";
import { explainTimeouts } from "./rules/timeouts/timeouts.js";
import { orLost } from "./rules/timeouts/unacknowledged.js";
import { explainTls, explainTlsPort } from "./rules/tls.js";
import { explainUnavailable } from "./rules/unavailable.js";

/** @returns the limit that stopped the run, or the suspects that remain */
export function explainClient(result: ConnectResult): Finding | Suspect[] {
  const { memoryStop, interrupted } = result.evidence;
  if (memoryStop) {
    const { limit, left, fix } = describeMemoryStop(memoryStop);
    return {
      limit,
      whose: "local",
      meaning: `stopped before memory ran out: ${left}; fourtuple leaves ${formatBytes(memoryStop.floorBytes)} free`,
      fix: limit === "memory" ? `${fix}, or open fewer connections` : fix,
      evidence: [
        `${formatBytes(result.memory.kernelBytesPerConnection)} of kernel memory per connection (${result.memory.kernelEnds === "both" ? "both ends" : "one end"})`,
      ],
    };
  }
  if (result.evidence.fileStop) return explainFileStop(result.evidence.fileStop, "stopped");
  const event = explainStandstill(result) ?? explainRestart(result);
  if (event) return event;
  const tlsPort = explainTlsPort(result);
  if (tlsPort) return tlsPort;
  const main = mainFailure(result);
  const lostAgents = explainLostAgents(result, main ? countOf(result, main) : 0);
  if (lostAgents) return lostAgents;
  if (!main) {
    const isStopped = interrupted || outcomeOf(result) === "interrupted";
    const atServersEnd = explainClientOnly(result) ?? explainUnaccepted(result) ?? explainUngreeted(result);
    // Ignore a queue that was still draining when the run was stopped.
    if (atServersEnd && !(isStopped && result.evidence.accepting?.isMoving)) return atServersEnd;
    const aboutRun = isStopped
      ? undefined
      : (explainClosedEarly(result) ??
        explainStandstillLatency(result) ??
        explainMessages(result) ??
        explainHandlerErrors(result));
    if (aboutRun) return aboutRun;
    return {
      limit: isStopped ? "stop" : "unexplained",
      whose: "local",
      meaning: isStopped
        ? `stopped on request before ${interrupted ? "all connections were open" : "the hold time was up"}`
        : "nothing failed, but some connections were not open yet",
      fix: "let the run finish",
      evidence: [],
    };
  }
  return nameDestinations(result, main, orLost(result, main, explainFailure(result, main)));
}

/** Tries the rules for the most frequent failure. */
function explainFailure(result: ConnectResult, main: FailureReport): Finding | Suspect[] {
  return (
    explainNotTaken(result, main) ??
    explainFullBuffers(result, main) ??
    explainClosedOthers(result, main) ??
    explainTls(main) ??
    explainHttp(result, main) ??
    explainRefusedProtocol(result, main) ??
    explainUnavailable(result, main) ??
    explainNeighbours(result, main) ??
    explainLocal(result, main) ??
    explainIcmp(result, main) ??
    (isUnusual(result, main) ? undefined : explainLocalErrors(result, main)) ??
    explainSelfConnect(result, main) ??
    explainRefused(result, main) ??
    explainTimeouts(result, main) ??
    explainPeerClosed(result, main) ??
    explainErrno(result, main) ??
    unexplained(main)
  );
}

/** Returns the most frequent failure of opening, holding or answering. A close by FIN and one by RST count as the same. */
function mainFailure(result: ConnectResult): FailureReport | undefined {
  const { failures, losses, responses } = result;
  const all = [...failures, ...losses, ...(responses?.statuses ?? [])];
  return all.sort((a, b) => countOf(result, b) - countOf(result, a) || b.count - a.count)[0];
}

function countOf(result: ConnectResult, failure: FailureReport): number {
  return sameAs(result, failure).reduce((sum, { count }) => sum + count, 0);
}

function unexplained(failure: FailureReport): Finding {
  const { phase, errno } = failure;
  return {
    limit: "unexplained",
    whose: "local",
    meaning: `${errno} in ${phase}: fourtuple has no explanation for this failure`,
    fix: `see errno ${errno} of ${phase === "hold" ? "recv" : phase}(2)`,
    evidence: [seen(failure)],
  };
}
