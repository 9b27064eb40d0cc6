// Explains refused handshakes of a server on another host, whose listening sockets are not visible.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { formatCount, formatDuration, plural } from "../../../util/units.js";
import { wasOut } from "../closed/restart.js";
import { seen } from "../local-errors.js";
import { rejectedOnOutput } from "../local-refusals.js";
import { openAtStop } from "../plateaus.js";
import { describeDestinations, splitDestinations } from "./destinations.js";
import { firewallOrLate, nobody } from "./refusal-causes.js";

const NO_LISTENER = "on the server: ss -ltn shows no listener at that port";

/** @param failure ECONNREFUSED */
export function explainAnotherHost(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const { established, destinations, evidence } = result;
  const establishedAfter = evidence.outage?.establishedAfter ?? 0;
  if (establishedAfter > 0 && destinations.length === 1) {
    const facts = [seen(failure), `${formatCount(establishedAfter)} connections were opened after the last refusal`];
    return wasOut(result, failure.count) ? listenedAgain(result, facts) : firewallOrLate(facts);
  }
  const split = splitDestinations(result, failure);
  if (split) {
    return nobody(
      `nothing listens on ${describeDestinations(split.failing)}: ${formatCount(split.failing.length)} of the ${plural(destinations.length, "destination")}`,
      [seen(failure)],
    );
  }
  const here = rejectedOnOutput(evidence, failure);
  if (established === 0) {
    const missing = nobody("nothing listens on that port", [seen(failure)]);
    return here ? [here, { ...missing, test: NO_LISTENER }] : missing;
  }
  if (destinations.length > 1) {
    return nobody(
      `at least one of the ${plural(destinations.length, "destination")} refuses: nothing listens there, or a server exited during the run`,
      [seen(failure)],
    );
  }
  const open = openAtStop(result);
  const closed = nobody(
    open > 0
      ? "nothing listens on that port any more: the server closed its listening socket and keeps its accepted connections"
      : "nothing listens on that port any more: the server exited during the run, or closed its listening socket",
    open > 0 ? [seen(failure), `${formatCount(open)} stay open`] : [seen(failure)],
  );
  // A server that has exited does not keep connections open.
  if (open === 0) return closed;
  const limited: Suspect = {
    limit: "path",
    whose: "network",
    meaning: `a firewall or load balancer refuses connections above a limit on their number (${formatCount(open)}) or rate`,
    fix: "look for limits that reject with a reset, on the server and on the path (nft: ct count, limit rate; iptables: connlimit, hashlimit)",
    evidence: closed.evidence,
    test: "a second run reaches the same number, and the server keeps listening (ss -ltn)",
  };
  return [...(here ? [here] : []), limited, { ...closed, test: NO_LISTENER }];
}

/** Explains refusals by a server that accepted connections afterwards. */
function listenedAgain({ evidence }: ConnectResult, facts: readonly string[]): Finding {
  const { durationMs } = evidence.outage!;
  return nobody(
    `nothing was listening for ${formatDuration(durationMs)} of the run: the server started late, or was restarted`,
    facts,
    "start the server first, and check its log for restarts",
  );
}
