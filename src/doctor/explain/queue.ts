// A server's accept queue on this host: full now, or known to have dropped something. The kernel's counters alone do not say so:
// they are of all listeners of the namespace.
import { formatCount } from "../../base/units.js";
import { countHalfMade } from "../../connect/half-made.js";
import type { ConnectResult } from "../../connect/result.js";
import { isQueueFull } from "../../ports/peer.js";
import { describeProcess, isOutOfDescriptors } from "../peer-process.js";
import type { Finding } from "./diagnosis.js";

/** What says that the queue of one of the destinations overflowed; empty when nothing does. */
export function queueFacts({ evidence }: ConnectResult): string[] {
  return (evidence.peer?.listeners ?? []).flatMap((listener) => {
    const { port, acceptQueue, drops = 0 } = listener;
    return [
      ...(isQueueFull(listener)
        ? [`accept queue of port ${port}: ${formatCount(acceptQueue.used)} of ${formatCount(acceptQueue.limit!)}`]
        : []),
      ...(drops > 0
        ? [`the listening socket of port ${port} dropped ${formatCount(drops)} packets of handshakes`]
        : []),
    ];
  });
}

/** An overflow was counted, and whether it was this server's is not to be seen. */
export function mayHaveOverflowed({ evidence }: ConnectResult): boolean {
  const isUnknown = evidence.peer?.listeners.some(({ drops }) => drops === undefined) ?? false;
  return isUnknown && overflows(evidence.risen) > 0;
}

export function overflows(risen: ConnectResult["evidence"]["risen"]): number {
  return risen["TcpExt.ListenOverflows"] ?? 0;
}

/** Nothing failed here, and the server has fewer connections than this end takes for ESTABLISHED. */
export function explainHalfMade(result: ConnectResult): Finding | undefined {
  const halfMade = countHalfMade(result);
  if (halfMade === 0) return undefined;
  const { outgoing, incoming } = result.kernel!;
  return queueFinding(result, [
    `ESTABLISHED at this end: ${formatCount(outgoing)}, at the server's: ${formatCount(incoming)}`,
    ...queueFacts(result),
  ]);
}

/** @param facts what says that it is full */
export function queueFinding({ evidence }: ConnectResult, facts: readonly string[]): Finding {
  const { process } = evidence.peer ?? {};
  if (process && isOutOfDescriptors(process)) {
    return {
      limit: "nofile",
      whose: "the peer",
      meaning: `the server cannot accept: ${describeProcess(process)} has no descriptor left, and its accept queue is full`,
      fix: "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
      evidence: [
        ...facts,
        `${formatCount(process.openDescriptors!)} of ${formatCount(process.nofileLimit!)} descriptors open`,
      ],
    };
  }
  const isSynQueue = (evidence.risen["TcpExt.TCPReqQFullDrop"] ?? 0) > 0 && overflows(evidence.risen) === 0;
  if (isSynQueue) {
    return {
      limit: "tcp-max-syn-backlog",
      whose: "the peer",
      meaning: "the server's SYN queue is full, and without syncookies further SYNs are dropped",
      fix: "net.ipv4.tcp_syncookies=1, or raise net.ipv4.tcp_max_syn_backlog and the backlog",
      evidence: [
        ...facts,
        `TCPReqQFullDrop rose by ${formatCount(evidence.risen["TcpExt.TCPReqQFullDrop"]!)}, ListenOverflows did not`,
      ],
    };
  }
  return {
    limit: "accept-queue",
    whose: "the peer",
    meaning: process?.isStopped
      ? `the server is stopped: ${describeProcess(process)} accepts nothing, and its accept queue is full`
      : "the server accepts more slowly than connections come: its accept queue is full, and what comes is dropped",
    fix: process?.isStopped
      ? `let it go on: kill -CONT ${process.pid}`
      : "a longer backlog in listen() and net.core.somaxconn, a server that accepts faster, or a lower --connect-rate",
    evidence: facts,
  };
}
