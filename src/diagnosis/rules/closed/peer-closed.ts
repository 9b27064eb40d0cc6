// Explains connections that the peer ended: with a reset because a queue was full, by exiting, on a timeout, or at its
// connection or descriptor limit. An important clue is whether the peer closed its oldest or its newest connections.

import type { ConnectResult } from "../../../results/connect.js";
import type { Finding, Suspect } from "../../../results/diagnosis.js";
import type { FailureReport } from "../../../results/fields.js";
import { describeProcess, isOurServer, isOutOfDescriptors } from "../../../socket-table/listeners/peer-process.js";
import { formatBound } from "../../../util/bound.js";
import { formatCount, formatDuration } from "../../../util/units.js";
import { maximaOf, queueFacts } from "../accept-queue.js";
import { isEnding, sameAs } from "../endings.js";
import { seen } from "../local-errors.js";
import { openAtStop, plateauAt, reachedBy } from "../plateaus.js";
import { isRedirected, listenerGone, redirection } from "../refused.js";
import { chosenBy, countUnaccepted, heldFor, isOfOneAge, ordering, outlived, wereTaken } from "./loss-pattern.js";
import { WHY_RESTARTED } from "./restart.js";

const TIMEOUTS =
  "nginx: keepalive_timeout, client_header_timeout; redis: timeout; haproxy: timeout client; load balancers also have an idle timeout";

/** @returns undefined if the failure is of another kind */
export function explainPeerClosed(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  if (!isEnding(failure)) return undefined;
  return (
    overflowReset(result, failure) ??
    restarted(result, failure) ??
    ended(result, failure) ??
    explainClosedListener(result, failure) ??
    outOfDescriptors(result, failure) ??
    selected(result, failure)
  );
}

function overflowReset(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { evidence } = result;
  const aborts = evidence.settings["net.ipv4.tcp_abort_on_overflow"] === 1;
  const facts = queueFacts(result);
  if (failure.errno !== "ECONNRESET" || !aborts || facts.length === 0) return undefined;
  return {
    limit: "accept-queue",
    whose: "peer",
    meaning: "the server's accept queue was full, and tcp_abort_on_overflow answers with a reset",
    fix: "raise the backlog (and net.core.somaxconn), or set tcp_abort_on_overflow=0 and lower --connect-rate",
    evidence: [seen(failure), ...facts],
  };
}

/**
 * The listening socket was replaced, and the old process's connections are gone: either the oldest connections, or all
 * of them.
 */
function restarted(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { peer } = result.evidence;
  const anew = peer?.listeners.find(({ since }) => since === "replaced");
  const isOld = chosenBy(result) === "oldest";
  if (!anew || (!isOld && result.lost < result.established)) return undefined;
  return {
    limit: "peer-ended",
    whose: "peer",
    meaning: "the server was restarted during the run, which ended its connections",
    fix: WHY_RESTARTED,
    evidence: [
      ...closingFacts(result, failure),
      `the listening socket on port ${anew.port} has been replaced since the run began`,
    ],
  };
}

/** Explains the loss of every connection, which rules out a connection limit. */
function ended(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { established, lost, evidence } = result;
  if (established === 0 || lost < established) return undefined;
  const isGone = evidence.peer?.listeners.length === 0;
  const facts = [...sameAs(result, failure).map(seen), `${formatCount(lost)} of ${formatCount(established)} were lost`];
  if (!isGone && closesAtFirstMessage(result)) return unknownProtocol(result, facts);
  if (!isGone && isOfOneAge(evidence.lossPattern)) return timeout([...facts, heldFor(evidence.lossPattern!)]);
  return {
    limit: "peer-ended",
    whose: "peer",
    meaning: isGone
      ? "the server exited during the hold: its connections are closed, and nothing listens there any more"
      : "the server closed all connections during the hold: it exited, or it closes idle or finished connections",
    fix: "check the server's log and its idle timeouts",
    evidence: facts,
  };
}

/** Whether the server closed connections without sending a byte on any, although it should have answered messages. */
function closesAtFirstMessage({ protocol, messages, traffic }: ConnectResult): boolean {
  const isPlain = protocol === undefined || protocol === "tcp";
  const isUnanswered = messages !== undefined && messages.expected !== "none" && messages.sent > 0;
  return isPlain && isUnanswered && traffic.receivedBytes === 0;
}

function unknownProtocol({ tls, lost, established }: ConnectResult, facts: readonly string[]): Finding {
  const orTls = tls ? "" : "TLS (tls://), or ";
  return {
    limit: "address",
    whose: "local",
    meaning: `the server closed ${lost < established ? "" : "all "}connections after a message, without sending any answer`,
    fix: `check the port and the scheme: it may expect ${orTls}messages in another form (-m); the server's log says why it closed them`,
    evidence: [...facts, "no bytes arrived"],
  };
}

/**
 * Closing the listening socket also ends the connections in its queue.
 *
 * @returns undefined if the server still listens, or is on another host
 */
export function explainClosedListener(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { peer } = result.evidence;
  if (peer?.listeners.length !== 0 || isRedirected(result)) return undefined;
  return listenerGone(result, [...sameAs(result, failure).map(seen), "no socket on this host listens there"]);
}

/** @returns undefined if the server's process is not visible, or has descriptors left */
export function outOfDescriptors(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { process } = result.evidence.peer ?? {};
  // fourtuple's server leaves connections in the queue when it runs out of descriptors.
  if (!process || isOurServer(process) || !isOutOfDescriptors(process)) return undefined;
  const open = `${formatCount(process.openDescriptors!)} of its ${formatBound(process.nofileLimit!)} descriptors are open`;
  return { ...descriptors(result), evidence: [...closingFacts(result, failure), open] };
}

/** Explains why some connections were closed while others stayed open, judging by which ones were closed. */
function selected(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const { lossPattern } = result.evidence;
  const { process } = result.evidence.peer ?? {};
  const evidence = closingFacts(result, failure);
  const plateau = plateauAt(reachedBy(result));
  const facts = plateau ? [...evidence, plateau] : evidence;
  const chosen = chosenBy(result);
  // Those that are open may not have sent enough yet. A server with a limit answers those that it keeps.
  if (chosen !== "newest" && wereTaken(lossPattern) && closesAtFirstMessage(result)) {
    return unknownProtocol(result, evidence);
  }
  const maximum = { ...ownMaximum(result), evidence: facts };
  const open = process?.openDescriptors;
  const hasDescriptors = open !== undefined && process?.nofileLimit !== undefined;
  const maximumOrDescriptors: Suspect[] = [
    {
      ...maximum,
      test: "the server's log or configuration names a connection limit, and its open descriptors (ls /proc/PID/fd | wc -l) stay below its open-file limit",
    },
    {
      ...descriptors(result),
      evidence: facts,
      test: "on the server: ls /proc/PID/fd | wc -l equals `Max open files` in /proc/PID/limits",
    },
  ];
  if (chosen === "newest") {
    // fourtuple's server has more than one descriptor table, and none of its descriptors are at the limit.
    if (process && isOurServer(process)) return { ...maximum, evidence };
    if (!hasDescriptors) return maximumOrDescriptors;
    const room = `${formatCount(open)} of its ${formatBound(process!.nofileLimit!)} descriptors are open`;
    return { ...maximum, evidence: [...evidence, room] };
  }
  const evicting: Finding = {
    ...maximum,
    meaning: `${process ? describeProcess(process) : "the server"} closed its oldest connection for each new one above ${formatCount(reachedBy(result))}: it enforces its own connection limit`,
  };
  if (chosen === "oldest" && outlived(lossPattern!)) {
    const { oldestKeptMs } = lossPattern!;
    return {
      ...evicting,
      evidence: [...facts, `not a timeout: others have stayed open for ${formatDuration(oldestKeptMs)}`],
    };
  }
  const idle: Suspect = {
    ...timeout(facts),
    test: "a run with half as many connections loses them at the same age",
  };
  if (chosen === "oldest") return [idle, { ...evicting, test: "a run with half as many connections loses none" }];
  const picked: Suspect = {
    limit: "peer-closing",
    whose: "peer",
    meaning:
      "the server closes some connections and keeps later ones: it has a rate limit or an error, or one of its workers exited",
    fix: "check the server's log and its limits per client and per second",
    evidence: facts,
    test: "a run with half as many connections also loses some, but perhaps none at a lower --connect-rate",
  };
  if (chosen === "some")
    return [
      picked,
      {
        ...maximum,
        meaning: `one of the server's workers is full: ${maximum.meaning}`,
        test: "the server has several workers, and its log names a connection limit",
      },
    ];
  return [...(hasDescriptors ? maximumOrDescriptors.slice(0, 1) : maximumOrDescriptors), idle];
}

function closingFacts(result: ConnectResult, failure: FailureReport): string[] {
  const { lossPattern } = result.evidence;
  const unaccepted = countUnaccepted(result);
  return [
    ...sameAs(result, failure).map(seen),
    `${formatCount(openAtStop(result))} stay open`,
    ...(unaccepted > 0 ? [`${formatCount(unaccepted)} of these have not been accepted by the server`] : []),
    ...(lossPattern ? [heldFor(lossPattern), ordering(lossPattern)] : []),
    ...(isRedirected(result) ? [redirection(result)] : []),
  ];
}

function ownMaximum(result: ConnectResult): Finding {
  const { process } = result.evidence.peer ?? {};
  return {
    limit: "peer-maximum",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} closed connections above ${formatCount(reachedBy(result))}: it enforces its own connection limit`,
    fix: `raise the server's connection limit (${maximaOf(process)})`,
    evidence: [],
  };
}

function descriptors({ evidence }: ConnectResult): Finding {
  const { process } = evidence.peer ?? {};
  return {
    limit: "nofile",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} is out of descriptors and closes connections that it cannot take`,
    fix: "raise the server's open-file limit (LimitNOFILE=, ulimit -n)",
    evidence: [],
  };
}

function timeout(evidence: readonly string[]): Finding {
  return {
    limit: "peer-timeout",
    whose: "peer",
    meaning: "the server closes connections at a certain age: it has an idle timeout",
    fix: `raise the server's timeout (${TIMEOUTS}), or send something more often (--message, --message-rate)`,
    evidence,
  };
}
