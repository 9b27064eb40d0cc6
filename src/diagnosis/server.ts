// Explains what kept fourtuple's own server from accepting more connections, and errors of a protocol file's handlers.

import type { Finding } from "../results/diagnosis.js";
import type { ServeResult } from "../results/serve.js";
import { formatBound } from "../util/bound.js";
import { formatCount, plural } from "../util/units.js";
import { explainNoRing } from "./rules/local-errors.js";
import { describeMemoryStop, explainFileStop, explainWatchStop, MORE_WATCHES } from "./rules/memory-stop.js";
import { explainProxyHeaders } from "./rules/protocols/proxy-header.js";
import { explainHandlerErrors } from "./rules/protocols/script.js";

/**
 * @returns undefined if nothing was refused, dropped or delayed, and no handler threw
 */
export function explainServer(result: ServeResult): Finding | undefined {
  const { evidence, failures, nofileLimit, hasPrivateTables, peakOpen, rejected, backlog } = result;
  const { memoryStop } = evidence;
  if (memoryStop) {
    const { limit, left, fix } = describeMemoryStop(memoryStop);
    return {
      limit,
      whose: "local",
      meaning: `accepting paused before memory ran out: ${left}`,
      fix,
      evidence: [`${formatCount(peakOpen)} open at peak`],
    };
  }
  if (evidence.fileStop) return explainFileStop(evidence.fileStop, "accepting paused");
  if (evidence.watchStop) return explainWatchStop(evidence.watchStop);
  const accepting = failures.find(({ phase }) => phase === "accept");
  if (accepting?.errno === "ENFILE") {
    return {
      limit: "file-max",
      whose: "local",
      meaning: "the host is out of open files",
      fix: "raise fs.file-max",
      evidence: [`${formatCount(accepting.count)} × ENFILE (accept)`],
    };
  }
  if (accepting?.errno === "ENOSPC") {
    return {
      limit: "epoll-watches",
      whose: "local",
      meaning: "accepting paused because this user's processes had used up their epoll watches",
      fix: MORE_WATCHES,
      evidence: [`${formatCount(accepting.count)} × ENOSPC (accept)`, `${formatCount(peakOpen)} open at peak`],
    };
  }
  if (accepting?.errno === "ENOMEM" && result.engine?.name === "uring") return explainNoRing(accepting);
  // A full table does no harm while other threads' tables have room.
  if (accepting?.errno === "EMFILE" || (result.tableFull > 0 && !hasPrivateTables)) {
    return {
      limit: "nofile",
      whose: "local",
      meaning: `the descriptor table is full: RLIMIT_NOFILE is ${formatBound(nofileLimit)}, and ${hasPrivateTables ? "every thread has reached it" : "private tables were refused"}`,
      fix: "raise it (ulimit -n, LimitNOFILE=, --ulimit nofile=), or allow io_uring or unshare(CLONE_FILES)",
      evidence: [`${formatCount(peakOpen)} open at peak`],
    };
  }
  if (rejected > 0) {
    return {
      limit: "peer-maximum",
      whose: "local",
      meaning: `${formatCount(rejected)} connections above --max-connections were closed at once`,
      fix: "raise --max-connections",
      evidence: [`${formatCount(peakOpen)} open at peak`],
    };
  }
  const aborts = evidence.deltas["TcpExt.TCPAbortOnMemory"] ?? 0;
  if (aborts > 0) {
    return {
      limit: "tcp-mem",
      whose: "local",
      meaning: `queued data used up TCP's memory budget: the kernel aborted ${plural(aborts, "connection")}`,
      fix: "raise net.ipv4.tcp_mem, or reduce the number of clients that do not read",
      evidence: [`TCPAbortOnMemory rose by ${formatCount(aborts)} in this network namespace`],
    };
  }
  if (backlog.drops) {
    return {
      limit: "accept-queue",
      whose: "local",
      meaning: "connections arrived faster than they were accepted: the accept queue overflowed",
      fix: `raise --backlog (now ${formatCount(backlog.length)}) and net.core.somaxconn`,
      evidence: [
        `the listening socket dropped ${formatCount(backlog.drops)} handshake packets; ListenOverflows rose by ${formatCount(backlog.listenOverflows)}`,
      ],
    };
  }
  return explainProxyHeaders(result) ?? explainHandlerErrors(result);
}
