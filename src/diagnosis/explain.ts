// Diagnoses a finished run: names the limit that stopped it, or the remaining suspects.

import { countHalfOpen } from "../client/evidence/half-open.js";
import { outcomeOf } from "../client/verdict/verdict.js";
import type { ConnectResult } from "../results/connect.js";
import type { Diagnosis, Explained, Finding } from "../results/diagnosis.js";
import type { Counters } from "../results/fields.js";
import type { ServeResult } from "../results/serve.js";
import { trace } from "../util/debug/trace.js";
import { formatCount, formatDuration, plural } from "../util/units.js";
import { explainClient } from "./client.js";
import { greetingNotes } from "./rules/greeting.js";
import { handshakeNotes } from "./rules/handshakes.js";
import { reachedBy } from "./rules/plateaus.js";
import { redirectNotes } from "./rules/protocols/http.js";
import { proxyHeaderNotes } from "./rules/protocols/proxy-header.js";
import { standstillNotes } from "./rules/standstill.js";
import { unacknowledgedNotes } from "./rules/timeouts/unacknowledged.js";
import { explainServer } from "./server.js";

/**
 * Names the limit that stopped a run, the side that the limit is on, the evidence and the fix. Only the result is
 * read, so an old result is explained by the state of its host at the time of the run.
 */
export function explainRun(result: ConnectResult | ServeResult): Diagnosis {
  return result.kind === "connect" ? diagnoseClient(result) : diagnoseServer(result);
}

/** Returns the result with a diagnosis, which it computes if the result has none. */
export function explained<Result extends ConnectResult | ServeResult>(result: Result): Explained<Result> {
  const diagnosis = result.diagnosis ?? explainRun(result);
  trace("diagnosis", () => {
    const { outcome, finding, suspects } = diagnosis;
    const limits = finding ? [finding.limit] : suspects.map(({ limit }) => limit);
    return `${outcome}: ${limits.join(", ") || "no limit"}`;
  });
  return { ...result, diagnosis };
}

function diagnoseClient(result: ConnectResult): Diagnosis {
  // A single connection cannot overrun an accept queue, so any overflow would be caused by other connections.
  const unaccepted = result.requested > 1 ? countHalfOpen(result) : 0;
  const base = {
    kind: "diagnosis",
    version: 1,
    of: "connect",
    wanted: result.requested,
    reached: reachedBy(result),
    notes: notesOn(result, unaccepted),
  } as const;
  if (outcomeOf(result) === "met" && unaccepted === 0)
    return { ...base, outcome: "met", finding: undefined, suspects: [] };
  const found = explainClient(result);
  if (!Array.isArray(found)) {
    const notes = base.notes.filter((note) => !found.evidence.includes(note));
    const finding = addressed(found, result);
    return { ...base, notes, outcome: found.limit === "stop" ? "stopped" : "limited", finding, suspects: [] };
  }
  const suspects = found.map((suspect) => ({
    ...addressed(suspect, result),
    test: withAddress(suspect.test, result),
  }));
  return { ...base, outcome: "undecided", finding: undefined, suspects };
}

function addressed<Cause extends Finding>(cause: Cause, result: ConnectResult): Cause {
  return { ...cause, fix: withAddress(cause.fix, result) };
}

/** Replaces ADDRESS in a command by the destination's address, so that the command can be copied. */
function withAddress(text: string, { endpoints }: ConnectResult): string {
  const [first, ...others] = new Set(endpoints.map(({ ip }) => ip));
  // With several destinations, a failure does not say which one it concerns.
  return first === undefined || others.length > 0 ? text : text.replaceAll("ADDRESS", first);
}

function diagnoseServer(result: ServeResult): Diagnosis {
  const finding = explainServer(result);
  return {
    kind: "diagnosis",
    version: 1,
    of: "serve",
    outcome: finding ? "limited" : "met",
    wanted: result.accepted,
    reached: result.peakOpen,
    finding,
    suspects: [],
    notes: [...proxyHeaderNotes(result), ...serverNotes(result)],
  };
}

function notesOn(result: ConnectResult, unaccepted: number): string[] {
  const { kernel, evidence, lost } = result;
  const notes = [
    ...timelineNotes(result),
    ...standstillNotes(result),
    ...handshakeNotes(result),
    ...greetingNotes(result),
    ...redirectNotes(result),
    ...unacknowledgedNotes(result),
    ...stackNotes(evidence.deltas),
    ...(evidence.peer?.wasCutShort
      ? [
          "the search for the server's process was cut short, because this host has many processes or open files: whether it is stopped or out of descriptors is unknown",
        ]
      : []),
  ];
  const outgoing = kernel?.outgoing ?? 0;
  if (!kernel || kernel.incoming === 0 || kernel.incoming >= outgoing) return notes;
  // The two ends are counted one after the other, so the counts differ while connections are closing.
  if (unaccepted > 0 || lost > 0) return notes;
  const missing = formatCount(outgoing - kernel.incoming);
  return [`${missing} more sockets are ESTABLISHED at this end than at the server's`, ...notes];
}

/** Returns notes on where this run deviated from the request. */
function timelineNotes({ scheduleMovedMs = 0, gaveUp, established, failed }: ConnectResult): string[] {
  const untried = gaveUp && `${formatCount(gaveUp.untried)} were not attempted`;
  return [
    ...(scheduleMovedMs > 0
      ? [`the schedule shifted by ${formatDuration(scheduleMovedMs)}, because this process was not running`]
      : []),
    ...(gaveUp?.reason === "all-failed"
      ? [`the ramp was abandoned: the first ${formatCount(failed)} attempts all failed; ${untried}`]
      : []),
    ...(gaveUp?.reason === "unanswered"
      ? [
          `the ramp was abandoned: no handshake was answered for a full connect timeout${established > 0 ? ` after ${formatCount(established)} connections` : ""}; ${untried}`,
        ]
      : []),
  ];
}

/**
 * Notes on the counters of a server's host. The counters cover every listener in the namespace, so they prove nothing
 * about this server unless its own drops were counted.
 */
function serverNotes({ backlog, evidence }: ServeResult): string[] {
  const notes = stackNotes(evidence.deltas);
  if (backlog.drops !== undefined || backlog.listenOverflows === 0) return notes;
  return [
    `ListenOverflows rose by ${formatCount(backlog.listenOverflows)}: an accept queue on this host overflowed, this one or another`,
    ...notes,
  ];
}

/** Notes on events that the kernel counts for the whole network namespace and that may concern the run. */
function stackNotes(deltas: Counters): string[] {
  const { "TcpExt.TCPReqQFullDoCookies": cookies = 0, "TcpExt.TCPTimeWaitOverflow": timeWaits = 0 } = deltas;
  const { "cgroup.memory.high": throttles = 0, "cgroup.memory.max": refusals = 0 } = deltas;
  const { "TcpExt.TCPAbortOnMemory": aborts = 0, "TcpExt.TCPMemoryPressures": pressures = 0 } = deltas;
  return [
    ...(aborts > 0
      ? [
          `the kernel aborted ${plural(aborts, "connection")} in this network namespace for lack of memory: queued data exceeds net.ipv4.tcp_mem, or there are too many orphans`,
        ]
      : []),
    ...(pressures > 0
      ? [
          `TCP came under memory pressure ${plural(pressures, "time")} (net.ipv4.tcp_mem): buffers are shrunk, and data that does not fit is dropped`,
        ]
      : []),
    ...(throttles > 0
      ? [`memory.high was exceeded ${formatCount(throttles)} times: the kernel throttled this cgroup or a parent`]
      : []),
    ...(refusals > 0 ? [`memory.max was reached ${formatCount(refusals)} times in this cgroup or a parent`] : []),
    ...(cookies > 0
      ? [
          `a SYN queue on this host was full: ${formatCount(cookies)} SYNs were answered with cookies, which lose TCP options`,
        ]
      : []),
    ...(timeWaits > 0
      ? [`net.ipv4.tcp_max_tw_buckets was reached: ${formatCount(timeWaits)} connections ended without TIME_WAIT`]
      : []),
  ];
}
