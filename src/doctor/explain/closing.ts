// Connections that the peer ended: its own maximum, its descriptor limit, a full queue that resets, or its end.
import { formatCount } from "../../base/units.js";
import type { ConnectResult, FailureReport } from "../../connect/result.js";
import { describeProcess, isOutOfDescriptors } from "../peer-process.js";
import type { Finding, Suspect } from "./diagnosis.js";
import { plateauAt, reachedBy } from "./plateaus.js";
import { seen } from "./system.js";

const MAXIMA = "nginx: worker_connections; redis: maxclients; haproxy: maxconn; fourtuple serve: --max-connections";

/** @returns undefined when the failure is another one */
export function explainClosing(result: ConnectResult, failure: FailureReport): Finding | Suspect[] | undefined {
  const isClosing = failure.errno === "FIN" || failure.errno === "ECONNRESET" || failure.errno === "EPIPE";
  if (!isClosing) return undefined;
  return overflowReset(result, failure) ?? ended(result, failure) ?? maximum(result, failure);
}

function overflowReset({ evidence }: ConnectResult, failure: FailureReport): Finding | undefined {
  const overflows = evidence.risen["TcpExt.ListenOverflows"] ?? 0;
  const aborts = evidence.settings["net.ipv4.tcp_abort_on_overflow"] === 1;
  if (failure.errno !== "ECONNRESET" || overflows === 0 || !aborts || !evidence.peer) return undefined;
  return {
    limit: "accept-queue",
    whose: "the peer",
    meaning: "the server's accept queue was full, and tcp_abort_on_overflow answers with a reset",
    fix: "a longer backlog (and net.core.somaxconn), or tcp_abort_on_overflow=0 and a lower --connect-rate",
    evidence: [seen(failure), `ListenOverflows rose by ${formatCount(overflows)}`],
  };
}

/** Everything was lost: no maximum does that. */
function ended(result: ConnectResult, failure: FailureReport): Finding | undefined {
  const { established, lost, evidence } = result;
  const isGone = evidence.peer !== undefined && evidence.peer.listeners.length === 0;
  if (!isGone && (established === 0 || lost < established)) return undefined;
  return {
    limit: "peer-ended",
    whose: "the peer",
    meaning: isGone
      ? "the server closed connections that were held: it has ended, and nobody listens there any more"
      : "the server closed connections that were held, all of them: it ended, or closes what is idle or finished",
    fix: "look at the server's log, and at its idle time-outs",
    evidence: [seen(failure), `${formatCount(lost)} of ${formatCount(established)} were lost`],
  };
}

function maximum(result: ConnectResult, failure: FailureReport): Finding | Suspect[] {
  const reached = reachedBy(result);
  const facts = [seen(failure), `${formatCount(reached)} stay open`];
  const { process } = result.evidence.peer ?? {};
  const own: Finding = {
    limit: "peer-maximum",
    whose: "the peer",
    meaning: `${process ? describeProcess(process) : "the server"} closed what is over ${formatCount(reached)} connections: a maximum of its own`,
    fix: `raise the server's maximum (${MAXIMA})`,
    evidence: facts,
  };
  const descriptors: Finding = {
    limit: "nofile",
    whose: "the peer",
    meaning: `${process ? describeProcess(process) : "the server"} is out of descriptors, and closes what it cannot take`,
    fix: "raise the server's limit of open files (LimitNOFILE=, ulimit -n)",
    evidence: facts,
  };
  if (process?.openDescriptors !== undefined && process.nofileLimit !== undefined) {
    const open = `${formatCount(process.openDescriptors)} of its ${formatCount(process.nofileLimit)} descriptors are open`;
    const found = isOutOfDescriptors(process) ? descriptors : own;
    return { ...found, evidence: [...facts, open] };
  }
  const plateau = plateauAt(reached);
  return [
    {
      ...own,
      evidence: [...facts, ...(plateau ? [plateau] : [])],
      test: "the server's log and configuration name it; its descriptors (ls /proc/PID/fd | wc -l) stay below its limit",
    },
    { ...descriptors, test: "on the server: ls /proc/PID/fd | wc -l equals `Max open files` in /proc/PID/limits" },
  ];
}
