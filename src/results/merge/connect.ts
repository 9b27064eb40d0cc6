// Merges two parts of a client's run. mergeResults() (index.ts) documents which values are not exact.
import { STEPS } from "../../util/steps.js";
import type { ConnectResult, DestinationReport, ResolvedName } from "../connect.js";
import type { FailureReport } from "../fields.js";
import type { MessageResult } from "../messages.js";
import { mergeAccepting, mergeEvidence, mergeLocalPath, mergeLossPattern, mergeShortage } from "./evidence.js";
import { mergeLatency } from "./latency.js";
import { mergeThresholds, mergeVerdicts } from "./misses.js";
import { addPackets } from "./packets.js";
import { mergeScript } from "./script.js";
import { mergeSamples, mergeTimes } from "./timeline.js";
import { add, addResponses, addTls, agreed, both, either, joined, merged, oneOf, union, weighted } from "./values.js";

/** Maximum number of destinations listed individually. */
const MOST_DESTINATIONS = 100;

export function mergeConnect(a: ConnectResult, b: ConnectResult): ConnectResult {
  const times = mergeTimes(a, b);
  const samples = mergeSamples(a, b);
  const sum = (field: "requested" | "established" | "openAtStop" | "failed" | "lost" | "threads") =>
    a[field] + b[field];
  const established = sum("established");
  const whole = {
    requested: sum("requested"),
    established,
    ready: both(a.ready, b.ready, add),
    failed: sum("failed"),
    lost: sum("lost"),
    ratePerSec: times.rampMs === 0 ? 0 : readyOf(a, b) / (times.rampMs / 1000),
    latency: {
      connect: mergeLatency(a.latency.connect, b.latency.connect),
      tls: either(a.latency.tls, b.latency.tls, mergeLatency),
      handshake: either(a.latency.handshake, b.latency.handshake, mergeLatency),
      firstByte: mergeLatency(a.latency.firstByte, b.latency.firstByte),
      roundTrip: mergeLatency(a.latency.roundTrip, b.latency.roundTrip),
      delivery: either(a.latency.delivery, b.latency.delivery, mergeLatency),
    },
    packets: either(a.packets, b.packets, addPackets),
    transport: a.transport === b.transport ? a.transport : undefined,
    kernel: both(a.kernel, b.kernel, (x, y) => ({
      source: joined(x.source, y.source),
      outgoing: either(x.outgoing, y.outgoing, (m, n) => m + n),
      incoming: x.incoming + y.incoming,
    })),
    tls: either(a.tls, b.tls, addTls),
    deliveries: either(a.deliveries, b.deliveries, (x, y) => ({
      received: x.received + y.received,
      lost: either(x.lost, y.lost, (m, n) => m + n),
      undelivered: either(x.undelivered, y.undelivered, (m, n) => m + n),
      repeated: x.repeated + y.repeated,
    })),
    messages: either(a.messages, b.messages, mergeMessages),
    responses: either(a.responses, b.responses, (x, y) => ({
      ...addResponses(x, y),
      statuses: mergeFailures(x.statuses, y.statuses),
      retryAfterMs: Math.max(x.retryAfterMs, y.retryAfterMs),
    })),
  };
  const thresholds = mergeThresholds(a.thresholds, b.thresholds);
  return {
    kind: "connect",
    version: 1,
    ...times,
    command: agreed(a.command, b.command),
    host: agreed(a.host, b.host),
    ...mergeDestinations(a, b),
    names: both(a.names, b.names, mergeNames),
    ...mergeVerdicts(a, b, thresholds, whole),
    thresholds,
    ...whole,
    protocol: agreed(a.protocol, b.protocol),
    script: both(a.script, b.script, mergeScript),
    greeted: either(a.greeted, b.greeted, add),
    peakOpen: Math.max(a.peakOpen, b.peakOpen, ...samples.map(({ open }) => open)),
    openAtStop: sum("openAtStop"),
    failures: mergeFailures(a.failures, b.failures),
    losses: mergeFailures(a.losses, b.losses),
    tlsAlerts: either(a.tlsAlerts, b.tlsAlerts, add),
    reopened: either(a.reopened, b.reopened, (x, y) => ({
      announced: x.announced + y.announced,
      idle: x.idle + y.idle,
      cutShort: either(x.cutShort, y.cutShort, add),
      repeated: either(x.repeated, y.repeated, add),
      unrepeated: either(x.unrepeated, y.unrepeated, add),
      failed: x.failed + y.failed,
    })),
    rampShares: both(a.rampShares, b.rampShares, (x, y) => {
      const share = (name: keyof typeof x) => weighted(x[name], a.threads, y[name], b.threads);
      return {
        window: share("window"),
        greetings: share("greetings"),
        descriptors: share("descriptors"),
        cpu: share("cpu"),
        pace: share("pace"),
      };
    }),
    scheduleMovedMs: both(a.scheduleMovedMs, b.scheduleMovedMs, Math.max),
    standstills: either(a.standstills, b.standstills, (x, y) => ({
      count: x.count + y.count,
      totalMs: x.totalMs + y.totalMs,
      longestMs: Math.max(x.longestMs, y.longestMs),
      cutOff: x.cutOff + y.cutOff,
      lost: x.lost + y.lost,
      latencies: x.latencies + y.latencies,
      connects: x.connects + y.connects,
      roundTrips: x.roundTrips + y.roundTrips,
    })),
    gaveUp: either(a.gaveUp, b.gaveUp, (x, y) => ({
      reason: oneOf(x.reason, y.reason),
      untried: x.untried + y.untried,
    })),
    samples,
    greetings: either(a.greetings, b.greetings, (x, y) => ({
      greeted: x.greeted + y.greeted,
      ungreeted: x.ungreeted + y.ungreeted,
      awaited: x.awaited + y.awaited,
    })),
    heartbeats: either(a.heartbeats, b.heartbeats, (x, y) => ({
      sent: x.sent + y.sent,
      answered: x.answered + y.answered,
      received: either(x.received, y.received, (one, other) => one + other),
    })),
    traffic: {
      sentBytes: a.traffic.sentBytes + b.traffic.sentBytes,
      receivedBytes: a.traffic.receivedBytes + b.traffic.receivedBytes,
      sentMessages: a.traffic.sentMessages + b.traffic.sentMessages,
      answeredMessages: a.traffic.answeredMessages + b.traffic.answeredMessages,
      blockedMessages: a.traffic.blockedMessages + b.traffic.blockedMessages,
      answeringConnections: both(a.traffic.answeringConnections, b.traffic.answeringConnections, add),
    },
    memory: mergeMemory(a, b),
    plan: {
      tuplesAvailable: a.plan.tuplesAvailable + b.plan.tuplesAvailable,
      tuplesSkipped: a.plan.tuplesSkipped + b.plan.tuplesSkipped,
      sourceAddresses: a.plan.sourceAddresses + b.plan.sourceAddresses,
      sourcePorts: joined(a.plan.sourcePorts, b.plan.sourcePorts),
    },
    threads: sum("threads"),
    hasPrivateTables: a.hasPrivateTables && b.hasPrivateTables,
    nofileLimit: lowest(a.nofileLimit, b.nofileLimit),
    engine: agreed(a.engine, b.engine),
    evidence: {
      ...mergeEvidence(a.evidence, b.evidence),
      peer: either(a.evidence.peer, b.evidence.peer, oneOf),
      accepting: either(a.evidence.accepting, b.evidence.accepting, mergeAccepting),
      localPath: either(a.evidence.localPath, b.evidence.localPath, mergeLocalPath),
      shortage: either(a.evidence.shortage, b.evidence.shortage, mergeShortage),
      unacknowledged: either(a.evidence.unacknowledged, b.evidence.unacknowledged, (x, y) => ({
        connections: x.connections + y.connections,
        unsent: x.unsent + y.unsent,
        source: joined(x.source, y.source),
      })),
      lossPattern: either(a.evidence.lossPattern, b.evidence.lossPattern, mergeLossPattern),
      outage: either(a.evidence.outage, b.evidence.outage, (x, y) => ({
        durationMs: Math.max(x.durationMs, y.durationMs),
        readyBefore: x.readyBefore + y.readyBefore,
        establishedDuring: x.establishedDuring + y.establishedDuring,
        establishedAfter: x.establishedAfter + y.establishedAfter,
        endedAfter: x.endedAfter + y.endedAfter,
      })),
    },
    diagnosis: undefined,
  };
}

/**
 * Returns the number of ready connections. Results from older versions contain only the number of
 * ESTABLISHED connections.
 */
function readyOf(...parts: readonly ConnectResult[]): number {
  return parts.reduce((total, { ready, established }) => total + (ready ?? established), 0);
}

/** Merges failures by kind, most frequent first; equally frequent ones are ordered by step and errno. */
export function mergeFailures(a: readonly FailureReport[], b: readonly FailureReport[]): FailureReport[] {
  const keyOf = ({ phase, errno }: FailureReport) => `${STEPS.indexOf(phase)} ${errno}`;
  const sums = merged([...a, ...b], keyOf, (x, y) => ({ ...x, count: x.count + y.count }));
  return sums.sort((x, y) => y.count - x.count);
}

function mergeDestinations(
  a: ConnectResult,
  b: ConnectResult,
): Pick<ConnectResult, "destinations" | "endpoints" | "byDestination"> {
  const destinations = union(a.destinations, b.destinations);
  const texts = [...a.destinations, ...b.destinations];
  const endpoints = [...a.endpoints, ...b.endpoints];
  const counts = both(countsOf(a), countsOf(b), (x, y) => merged([...x, ...y], ({ to }) => to, mergeDestination));
  const isTold = destinations.length > 1 && destinations.length <= MOST_DESTINATIONS;
  return {
    destinations,
    endpoints: destinations.map((to) => endpoints[texts.indexOf(to)]!),
    byDestination: isTold ? counts && destinations.map((to) => counts.find((count) => count.to === to)!) : undefined,
  };
}

/** A run with a single destination has no counts per destination. */
function countsOf({ byDestination, destinations, established, failed }: ConnectResult) {
  if (byDestination || destinations.length !== 1) return byDestination;
  return [{ to: destinations[0]!, established, failed }];
}

function mergeDestination(a: DestinationReport, b: DestinationReport): DestinationReport {
  const lastFailure = either(a.lastFailure, b.lastFailure, oneOf);
  return {
    to: a.to,
    established: a.established + b.established,
    failed: a.failed + b.failed,
    ...(lastFailure && { lastFailure }),
  };
}

function mergeNames(a: readonly ResolvedName[], b: readonly ResolvedName[]): ResolvedName[] {
  return merged(
    [...a, ...b],
    ({ name }) => name,
    (x, y) => ({
      name: x.name,
      addresses: [...union(x.addresses, y.addresses)],
      used: [...union(x.used, y.used)],
      unreachable: [...union(x.unreachable, y.unreachable)],
    }),
  );
}

/** Takes the larger of two requested values, and the less strict value of `expected`. */
function mergeMessages(a: MessageResult, b: MessageResult): MessageResult {
  const strictness = [
    "none",
    "any",
    "response",
    "bytes",
    "until",
    "acknowledgement",
    "delivery",
    "handler",
    "echo",
  ] as const;
  const sum = (
    field: "due" | "sent" | "answered" | "unanswered" | "inFlight" | "late" | "missed" | "blocked" | "unsolicitedBytes",
  ) => a[field] + b[field];
  return {
    expected: strictness[Math.min(strictness.indexOf(a.expected), strictness.indexOf(b.expected))]!,
    bytes: Math.max(a.bytes, b.bytes),
    requested: both(a.requested, b.requested, add),
    ratePerSec: both(a.ratePerSec, b.ratePerSec, Math.max),
    due: sum("due"),
    sent: sum("sent"),
    answered: sum("answered"),
    unanswered: sum("unanswered"),
    waitingConnections: both(a.waitingConnections, b.waitingConnections, add),
    inFlight: sum("inFlight"),
    late: sum("late"),
    longestDelayMs: Math.max(a.longestDelayMs, b.longestDelayMs),
    missed: sum("missed"),
    blocked: sum("blocked"),
    movedMs: Math.max(a.movedMs, b.movedMs),
    youngestUnansweredUs: either(a.youngestUnansweredUs, b.youngestUnansweredUs, Math.min),
    unsolicitedBytes: sum("unsolicitedBytes"),
    wrongBytes: a.wrongBytes + b.wrongBytes,
  };
}

function mergeMemory(a: ConnectResult, b: ConnectResult): ConnectResult["memory"] {
  const mean = (field: "userBytesPerConnection" | "kernelBytesPerConnection") =>
    weighted(a.memory[field], a.established, b.memory[field], b.established);
  return {
    userBytesPerConnection: mean("userBytesPerConnection"),
    kernelBytesPerConnection: mean("kernelBytesPerConnection"),
    kernelErrorPerConnection: both(a.memory.kernelErrorPerConnection, b.memory.kernelErrorPerConnection, Math.max),
    kernelEnds: a.memory.kernelEnds === "both" || b.memory.kernelEnds === "both" ? "both" : "one",
  };
}

export function lowest(a: number | "unlimited", b: number | "unlimited"): number | "unlimited" {
  if (a === "unlimited" || b === "unlimited") return a === "unlimited" ? b : a;
  return Math.min(a, b);
}
