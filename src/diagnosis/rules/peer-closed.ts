// Connections that the peer ended: a full queue that resets, its end, a time-out, its own maximum, its descriptor limit. Which of
// them were closed, the oldest or the newest, says much of why.

import type { ConnectResult } from "../../results/connect.js";
import type { Finding, Suspect } from "../../results/diagnosis.js";
import type { FailureReport } from "../../results/fields.js";
import type { LossPattern } from "../../results/peer.js";
import { describeProcess, isOurServer, isOutOfDescriptors } from "../../socket-table/listeners/peer-process.js";
import { formatBound } from "../../util/bound.js";
import { formatCount, formatDuration } from "../../util/units.js";
import { MAXIMA, queueFacts } from "./accept-queue.js";
import { seen } from "./local-errors.js";
import { openAtStop, plateauAt, reachedBy } from "./plateaus.js";
import { isRedirected, listenerGone, redirection } from "./refused.js";

/** Some change places on the way: so many of those that stay may be out of order. */
const DISORDER = 0.1;
/** A time-out is not kept to the millisecond. */
const OUTLIVED = 1.5;
/** A pattern of so few could be chance: then none may be out of order. */
const FEW = 3;
/** A server that closes sooner has nothing more to say, rather than a time-out. */
const TIMEOUT_MS = 100;
const TIMEOUTS =
  "nginx: keepalive_timeout, client_header_timeout; redis: timeout; haproxy: timeout client; load balancers have one too";

/** @returns undefined when the failure is another one */
export function explainClosing(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  const isClosing = failure.errno === "FIN" || failure.errno === "ECONNRESET" || failure.errno === "EPIPE";
  if (!isClosing) return undefined;
  return (
    overflowReset(result, failure) ??
    restarted(result, failure) ??
    ended(result, failure) ??
    closedListener(result, failure) ??
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
    fix: "a longer backlog (and net.core.somaxconn), or tcp_abort_on_overflow=0 and a lower --connect-rate",
    evidence: [seen(failure), ...facts],
  };
}

/** Another socket listens than at the run's start, and what the old one's program held is gone: the oldest, or all. */
function restarted(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { peer, lossPattern } = result.evidence;
  const anew = peer?.listeners.find(({ since }) => since === "replaced");
  const isOld = lossPattern !== undefined && chosenBy(lossPattern, result.lost) === "oldest";
  if (!anew || (!isOld && result.lost < result.established)) return undefined;
  return {
    limit: "peer-ended",
    whose: "peer",
    meaning: "the server ended while the run lasted, and its connections with it; it was started anew",
    fix: "see why it ended: its log, the journal, and the kernel's log for the OOM killer",
    evidence: [
      ...closingFacts(result, failure),
      `the listening socket of port ${anew.port} is another one than at the run's start`,
    ],
  };
}

/** Everything was lost: no maximum does that. */
function ended(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { established, lost, evidence } = result;
  if (established === 0 || lost < established) return undefined;
  const isGone = evidence.peer?.listeners.length === 0;
  const facts = [seen(failure), `${formatCount(lost)} of ${formatCount(established)} were lost`];
  if (!isGone && isOfOneAge(evidence.lossPattern)) return timeout([...facts, heldFor(evidence.lossPattern!)]);
  return {
    limit: "peer-ended",
    whose: "peer",
    meaning: isGone
      ? "the server closed connections that were held: it has ended, and nobody listens there any more"
      : "the server closed connections that were held, all of them: it ended, or closes what is idle or finished",
    fix: "look at the server's log, and at its idle time-outs",
    evidence: facts,
  };
}

/** With the listening socket go those that waited in its queue. */
function closedListener(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { peer } = result.evidence;
  if (peer?.listeners.length !== 0 || isRedirected(result)) return undefined;
  return listenerGone(result, [seen(failure), "no socket of this host listens there"]);
}

function outOfDescriptors(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { process } = result.evidence.peer ?? {};
  // Ours leaves in the queue what it cannot take.
  if (!process || isOurServer(process) || !isOutOfDescriptors(process)) return undefined;
  const open = `${formatCount(process.openDescriptors!)} of its ${formatBound(process.nofileLimit!)} descriptors are open`;
  return { ...descriptors(result), evidence: [...closingFacts(result, failure), open] };
}

/** Some were closed and others stay: which? */
function selected(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const { lossPattern } = result.evidence;
  const { process } = result.evidence.peer ?? {};
  const evidence = closingFacts(result, failure);
  const plateau = plateauAt(reachedBy(result));
  const facts = plateau ? [...evidence, plateau] : evidence;
  const chosen = lossPattern && chosenBy(lossPattern, result.lost);
  const maximum = { ...ownMaximum(result), evidence: facts };
  const open = process?.openDescriptors;
  const hasDescriptors = open !== undefined && process?.nofileLimit !== undefined;
  const maximumOrDescriptors: Suspect[] = [
    {
      ...maximum,
      test: "the server's log and configuration name it; its descriptors (ls /proc/PID/fd | wc -l) stay below its limit",
    },
    {
      ...descriptors(result),
      evidence: facts,
      test: "on the server: ls /proc/PID/fd | wc -l equals `Max open files` in /proc/PID/limits",
    },
  ];
  if (chosen === "newest") {
    if (!hasDescriptors) return maximumOrDescriptors;
    const room = `${formatCount(open)} of its ${formatBound(process!.nofileLimit!)} descriptors are open`;
    return { ...maximum, evidence: [...evidence, room] };
  }
  const evicting: Finding = {
    ...maximum,
    meaning: `${process ? describeProcess(process) : "the server"} closed the oldest for each new one above ${formatCount(reachedBy(result))} connections: a maximum of its own`,
  };
  if (chosen === "oldest" && outlived(lossPattern!)) {
    const { oldestKeptMs } = lossPattern!;
    return { ...evicting, evidence: [...facts, `no time-out: others stay open for ${formatDuration(oldestKeptMs)}`] };
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
      "the server closes some connections and keeps later ones: a limit of the rate, an error, the end of one of its workers",
    fix: "look at the server's log, and at its limits per client and per second",
    evidence: facts,
    test: "a run with half as many connections loses some as well, at a lower --connect-rate perhaps none",
  };
  if (chosen === "some")
    return [
      picked,
      {
        ...maximum,
        meaning: `one of the server's workers is full: ${maximum.meaning}`,
        test: "the server has several workers, and its log names a maximum",
      },
    ];
  return [...(hasDescriptors ? maximumOrDescriptors.slice(0, 1) : maximumOrDescriptors), idle];
}

/** @returns undefined when they were too few, or opened too fast, to tell */
function chosenBy(
  { kept, keptOlder, keptYounger }: LossPattern,
  lost: number,
): "newest" | "oldest" | "some" | undefined {
  const enough = lost < FEW ? kept : (1 - DISORDER) * kept;
  const isNewest = keptOlder >= enough;
  const isOldest = keptYounger >= enough;
  if (isNewest && isOldest) return undefined;
  return isNewest ? "newest" : isOldest ? "oldest" : "some";
}

/** Those that stay are older by now than any became that was closed: no time-out closed these. */
function outlived({ oldestKeptMs, longestHeldMs }: LossPattern): boolean {
  return oldestKeptMs > OUTLIVED * longestHeldMs + TIMEOUT_MS;
}

/** Opened over a while and closed at the same age, not at the same moment. */
function isOfOneAge(pattern: LossPattern | undefined): boolean {
  if (!pattern || pattern.shortestHeldMs < TIMEOUT_MS) return false;
  return pattern.longestHeldMs - pattern.shortestHeldMs < pattern.openedOverMs / 2;
}

function closingFacts(result: ConnectResult, failure: FailureReport): string[] {
  const { lossPattern } = result.evidence;
  return [
    seen(failure),
    `${formatCount(openAtStop(result))} stay open`,
    ...(lossPattern ? [heldFor(lossPattern), ordering(lossPattern)] : []),
    ...(isRedirected(result) ? [redirection(result)] : []),
  ];
}

function heldFor({ shortestHeldMs, longestHeldMs }: LossPattern): string {
  return `closed ${formatDuration(shortestHeldMs)} to ${formatDuration(longestHeldMs)} after they were ESTABLISHED`;
}

function ordering({ kept, keptOlder, keptYounger }: LossPattern): string {
  return `of ${formatCount(kept)} that stay, ${formatCount(keptOlder)} came before the first that was closed and ${formatCount(keptYounger)} after the last`;
}

function ownMaximum(result: ConnectResult): Finding {
  const { process } = result.evidence.peer ?? {};
  return {
    limit: "peer-maximum",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} closed what is over ${formatCount(reachedBy(result))} connections: a maximum of its own`,
    fix: `raise the server's maximum (${MAXIMA})`,
    evidence: [],
  };
}

function descriptors({ evidence }: ConnectResult): Finding {
  const { process } = evidence.peer ?? {};
  return {
    limit: "nofile",
    whose: "peer",
    meaning: `${process ? describeProcess(process) : "the server"} is out of descriptors, and closes what it cannot take`,
    fix: "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
    evidence: [],
  };
}

function timeout(evidence: readonly string[]): Finding {
  return {
    limit: "peer-timeout",
    whose: "peer",
    meaning: "the server closes connections of a certain age: it has a time-out for idle ones",
    fix: `raise the server's time-out (${TIMEOUTS}), or send something more often (--message, --message-rate)`,
    evidence,
  };
}
