// Explains an accept queue on this host that is full or has dropped connections. The kernel's counters alone prove
// nothing, because they cover all listeners in the namespace.

import { countHalfOpen, outgoingOf } from "../../client/evidence/half-open.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Finding } from "../../results/diagnosis.js";
import type { ProcessFacts } from "../../results/peer.js";
import {
  describeProcess,
  howToGoOn,
  isOurServer,
  isOutOfDescriptors,
} from "../../socket-table/listeners/peer-process.js";
import { isQueueFull } from "../../socket-table/listeners/queue-full.js";
import { formatBound } from "../../util/bound.js";
import { formatCount, plural } from "../../util/units.js";

/** The options that limit connections, by the name of the server's process. */
const MAXIMA: Readonly<Record<string, string>> = {
  nginx: "worker_connections",
  "redis-server": "maxclients",
  haproxy: "maxconn",
};
const OUR_MAXIMUM = "fourtuple serve: --max-connections";

/** Names the option that limits the connections of a server; those of several programs if its process is unknown. */
export function maximaOf(process: ProcessFacts | undefined): string {
  if (process && isOurServer(process)) return OUR_MAXIMUM;
  const known = process && Object.hasOwn(MAXIMA, process.name) ? MAXIMA[process.name] : undefined;
  if (known !== undefined) return `${process!.name}: ${known}`;
  return [...Object.entries(MAXIMA).map(([name, option]) => `${name}: ${option}`), OUR_MAXIMUM].join("; ");
}

const LOOK_AT_SERVER =
  "check what the server is doing: its log, its stack (gdb, jstack, py-spy); it may be hung or still starting";

/** Returns evidence that a destination's accept queue overflowed; empty if there is none. */
export function queueFacts({ evidence }: ConnectResult): string[] {
  return (evidence.peer?.listeners ?? []).flatMap((listener) => {
    const { port, acceptQueue, drops = 0 } = listener;
    return [
      ...(isQueueFull(listener)
        ? [`accept queue of port ${port}: ${formatCount(acceptQueue.used)} of ${formatCount(acceptQueue.limit!)}`]
        : []),
      ...(drops > 0 ? [`the listening socket on port ${port} dropped ${formatCount(drops)} handshake packets`] : []),
    ];
  });
}

/** Returns whether an overflow was counted that cannot be attributed to a listener. */
export function mayHaveOverflowed({ evidence }: ConnectResult): boolean {
  const isUnknown = evidence.peer?.listeners.some(({ drops }) => drops === undefined) ?? false;
  return isUnknown && overflows(evidence.deltas) > 0;
}

export function overflows(deltas: ConnectResult["evidence"]["deltas"]): number {
  return deltas["TcpExt.ListenOverflows"] ?? 0;
}

/** Explains connections that wait in the server's accept queue although nothing failed at this end. */
export function explainUnaccepted(result: ConnectResult): Finding | undefined {
  const { accepting } = result.evidence;
  return accepting && accepting.waiting > 0 ? queueFinding(result, queueFacts(result)) : undefined;
}

/** Explains a server that has fewer connections than are ESTABLISHED here, although nothing failed at this end. */
export function explainClientOnly(result: ConnectResult): Finding | undefined {
  const unaccepted = countHalfOpen(result);
  if (unaccepted === 0) return undefined;
  const { incoming } = result.kernel!;
  return queueFinding(result, [
    `ESTABLISHED at this end: ${formatCount(outgoingOf(result))}, at the server's: ${formatCount(incoming)}`,
    ...queueFacts(result),
  ]);
}

/** @param facts evidence that the queue is full */
export function queueFinding(result: ConnectResult, facts: readonly string[]): Finding {
  const { evidence } = result;
  const { process } = evidence.peer ?? {};
  const seen = [...facts, ...acceptFacts(result)];
  if (process && isOutOfDescriptors(process)) return noDescriptors(process, queueState(result), seen);
  const isSynQueue = (evidence.deltas["TcpExt.TCPReqQFullDrop"] ?? 0) > 0 && overflows(evidence.deltas) === 0;
  if (isSynQueue) {
    return {
      limit: "tcp-max-syn-backlog",
      whose: "peer",
      meaning: "the server's SYN queue is full, and without syncookies further SYNs are dropped",
      fix: "net.ipv4.tcp_syncookies=1, or raise net.ipv4.tcp_max_syn_backlog and the backlog",
      evidence: [
        ...seen,
        `TCPReqQFullDrop rose by ${formatCount(evidence.deltas["TcpExt.TCPReqQFullDrop"]!)}, ListenOverflows did not`,
      ],
    };
  }
  if (process?.isStopped) return stopped(process, queueState(result), seen);
  return standstill(result, seen) ?? fullBefore(result, seen) ?? tooSlow(result, seen);
}

/**
 * Explains a server whose process cannot accept, because it is stopped or out of descriptors.
 *
 * @param state clause about its accept queue
 * @returns undefined if the process is running, has descriptors left, or is unknown
 */
export function explainBlocked(
  { evidence: { peer } }: ConnectResult,
  state: string,
  facts: readonly string[],
): Finding | undefined {
  const { process } = peer ?? {};
  if (!process) return undefined;
  if (isOutOfDescriptors(process)) return noDescriptors(process, state, facts);
  return process.isStopped ? stopped(process, state, facts) : undefined;
}

function noDescriptors(process: ProcessFacts, state: string, facts: readonly string[]): Finding {
  const open = `${formatCount(process.openDescriptors!)} of ${formatBound(process.nofileLimit!)} descriptors open`;
  return {
    limit: "nofile",
    whose: "peer",
    meaning: `${describeProcess(process)} has no descriptors left, and ${state}: it cannot accept`,
    fix: "raise the server's open-file limit (LimitNOFILE=, ulimit -n)",
    evidence: [...facts, open],
  };
}

function stopped(process: ProcessFacts, state: string, evidence: readonly string[]): Finding {
  return {
    limit: "accept-queue",
    whose: "peer",
    meaning: `the server is ${process.isFrozen ? "frozen" : "stopped"}: ${describeProcess(process)} accepts nothing, and ${state}`,
    fix: `resume it: ${howToGoOn(process)}`,
    evidence: [...evidence],
  };
}

/** Explains a server that is running and has descriptors left, but has stopped accepting. */
function standstill(result: ConnectResult, evidence: readonly string[]): Finding | undefined {
  const { accepting, peer } = result.evidence;
  if (!accepting || accepting.waiting === 0 || accepting.isMoving) return undefined;
  const server = peer?.process ? describeProcess(peer.process) : "the server";
  const waiting = waitingInQueue(accepting.waiting);
  // Other processes may have accepted the rest, from listening sockets of their own (SO_REUSEPORT) or from the same one.
  const held = Math.min(accepting.accepted, peer?.process?.connections ?? accepting.accepted);
  if (held === 0) {
    const others = accepting.accepted > 0 ? ", unlike other processes on that port" : "";
    return {
      limit: "accept-queue",
      whose: "peer",
      meaning: `${server} listens but accepts nothing${others}: ${waiting}`,
      fix: LOOK_AT_SERVER,
      evidence,
    };
  }
  return {
    limit: "peer-maximum",
    whose: "peer",
    meaning: `${server} holds ${plural(held, "connection")} and has stopped accepting at its own connection limit: ${waiting}`,
    fix: `raise the server's connection limit (${maximaOf(peer?.process)})`,
    evidence,
  };
}

/** Explains a queue from which the server took no connection of this run, because others had filled it before. */
function fullBefore(
  { established, evidence: { peer } }: ConnectResult,
  evidence: readonly string[],
): Finding | undefined {
  const listeners = peer?.listeners ?? [];
  if (established > 0 || listeners.length === 0 || !listeners.every(isQueueFull)) return undefined;
  const server = peer!.process ? describeProcess(peer!.process) : "the server";
  return {
    limit: "accept-queue",
    whose: "peer",
    meaning: `${server} listens but took none of these connections: its accept queue was full before they arrived`,
    fix: `${LOOK_AT_SERVER}; if it does accept, other clients fill its queue: fourtuple ports :${listeners[0]!.port}`,
    evidence: [...evidence, "no connection was established: one that finds room in the queue would have been"],
  };
}

function tooSlow(result: ConnectResult, evidence: readonly string[]): Finding {
  const isFull = result.evidence.peer?.listeners.some(isQueueFull) ?? true;
  const consequence = isFull ? "its accept queue is full, and new connections are dropped" : queueState(result);
  return {
    limit: "accept-queue",
    whose: "peer",
    meaning: `the server accepts connections more slowly than they arrive: ${consequence}`,
    fix: "raise the backlog of listen() and net.core.somaxconn, make the server accept faster, or lower --connect-rate",
    evidence,
  };
}

function queueState({ evidence: { accepting, peer } }: ConnectResult): string {
  const waiting = accepting?.waiting ?? 0;
  if (waiting === 0 || peer?.listeners.some(isQueueFull)) return "its accept queue is full";
  return waitingInQueue(waiting);
}

/** Returns a clause such as `3 connections wait in its accept queue`. */
export function waitingInQueue(count: number): string {
  return `${plural(count, "connection")} ${count === 1 ? "waits" : "wait"} in its accept queue`;
}

function acceptFacts({ evidence: { accepting } }: ConnectResult): string[] {
  if (!accepting) return [];
  const { accepted, waiting, synReceived, isMoving } = accepting;
  const stages = [
    `${formatCount(accepted)} accepted by the server`,
    `${formatCount(waiting)} waiting in its accept queue`,
    ...(synReceived > 0 ? [`${formatCount(synReceived)} in its SYN queue`] : []),
  ];
  return [
    `at the end of the hold: ${stages.join(", ")}; ${isMoving ? "it was still accepting" : "it had stopped accepting"}`,
  ];
}
