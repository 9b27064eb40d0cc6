// From a finished run to its diagnosis: which limit stopped it, or which remain.

import { countHalfOpen } from "../client/evidence/half-open.js";
import { outcomeOf } from "../client/verdict/verdict.js";
import type { ConnectResult } from "../results/connect.js";
import type { Diagnosis, Explained } from "../results/diagnosis.js";
import type { Counters } from "../results/fields.js";
import type { ServeResult } from "../results/serve.js";
import { formatCount, formatDuration, plural } from "../util/units.js";
import { explainClient } from "./client.js";
import { greetingNotes } from "./rules/greeting.js";
import { handshakeNotes } from "./rules/handshakes.js";
import { reachedBy } from "./rules/plateaus.js";
import { explainServer } from "./server.js";

/**
 * Names the limit that stopped a run, whose it is, the evidence and the fix. Reads the result alone: an old one is explained as
 * it was.
 */
export function explainRun(result: ConnectResult | ServeResult): Diagnosis {
  return result.kind === "connect" ? diagnoseClient(result) : diagnoseServer(result);
}

/** A result with its diagnosis: the one that it has, or one that is made now. */
export function explained<Result extends ConnectResult | ServeResult>(result: Result): Explained<Result> {
  return { ...result, diagnosis: result.diagnosis ?? explainRun(result) };
}

function diagnoseClient(result: ConnectResult): Diagnosis {
  // A single connection has no accept queue to overrun: others' would be counted.
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
    return { ...base, outcome: found.limit === "stop" ? "stopped" : "limited", finding: found, suspects: [] };
  }
  return { ...base, outcome: "undecided", finding: undefined, suspects: found };
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
    notes: serverNotes(result),
  };
}

function notesOn(result: ConnectResult, unaccepted: number): string[] {
  const { kernel, evidence, lost } = result;
  const notes = [
    ...timelineNotes(result),
    ...handshakeNotes(result),
    ...greetingNotes(result),
    ...stackNotes(evidence.deltas),
  ];
  if (!kernel || kernel.incoming === 0 || kernel.incoming >= kernel.outgoing) return notes;
  // One end is counted after the other: while connections are being closed, the two differ.
  if (unaccepted > 0 || lost > 0) return notes;
  const missing = formatCount(kernel.outgoing - kernel.incoming);
  return [`${missing} more sockets are ESTABLISHED at this end than at the server's`, ...notes];
}

/** What this run did otherwise than it was asked to. */
function timelineNotes({ scheduleMovedMs = 0, gaveUp, established, failed }: ConnectResult): string[] {
  const untried = gaveUp && `${formatCount(gaveUp.untried)} were not tried to the end`;
  return [
    ...(scheduleMovedMs > 0
      ? [`the schedule moved by ${formatDuration(scheduleMovedMs)}: this process did not run for so long`]
      : []),
    ...(gaveUp?.reason === "all-failed"
      ? [`the ramp was given up: all of the first ${formatCount(failed)} attempts failed; ${untried}`]
      : []),
    ...(gaveUp?.reason === "unanswered"
      ? [
          `the ramp was given up: nothing was answered for a whole connect time-out${established > 0 ? ` after ${formatCount(established)} connections` : ""}; ${untried}`,
        ]
      : []),
  ];
}

/** Of all listeners of the namespace: no finding about this one where its own count is not to be had. */
function serverNotes({ backlog, evidence }: ServeResult): string[] {
  const notes = stackNotes(evidence.deltas);
  if (backlog.drops !== undefined || backlog.listenOverflows === 0) return notes;
  return [
    `ListenOverflows rose by ${formatCount(backlog.listenOverflows)}: an accept queue of this host overflowed, this one or another`,
    ...notes,
  ];
}

/** What everybody's packets in this network namespace met with: it may concern the run. */
function stackNotes(deltas: Counters): string[] {
  const { "TcpExt.TCPReqQFullDoCookies": cookies = 0, "TcpExt.TCPTimeWaitOverflow": timeWaits = 0 } = deltas;
  const { "cgroup.memory.high": throttles = 0, "cgroup.memory.max": refusals = 0 } = deltas;
  const { "TcpExt.TCPAbortOnMemory": aborts = 0, "TcpExt.TCPMemoryPressures": pressures = 0 } = deltas;
  return [
    ...(aborts > 0
      ? [
          `the kernel aborted ${plural(aborts, "connection")} of this network namespace for want of memory: what is queued uses up net.ipv4.tcp_mem, or too many are orphans`,
        ]
      : []),
    ...(pressures > 0
      ? [
          `TCP came under memory pressure ${plural(pressures, "time")} (net.ipv4.tcp_mem): buffers are cut, and what they do not hold is dropped`,
        ]
      : []),
    ...(throttles > 0
      ? [
          `memory.high was exceeded ${formatCount(throttles)} times: the kernel throttled the programs of this cgroup or of one above it`,
        ]
      : []),
    ...(refusals > 0
      ? [`memory.max was reached ${formatCount(refusals)} times in this cgroup or in one above it`]
      : []),
    ...(cookies > 0
      ? [
          `a SYN queue of this host was full: ${formatCount(cookies)} SYNs were answered with cookies, which costs TCP options`,
        ]
      : []),
    ...(timeWaits > 0
      ? [`net.ipv4.tcp_max_tw_buckets is reached: ${formatCount(timeWaits)} connections ended without a TIME_WAIT`]
      : []),
  ];
}
