// Metrics of client workers. Each worker writes its own copy; engine/metrics.ts derives everything else from these
// declarations.
import { defineMetrics, type MetricValues } from "../engine/metrics.js";

export const CLIENT_METRICS = defineMetrics("fourtuple_connect", {
  started: {
    type: "gauge",
    help: "Connections begun; those whose tuple was taken are not among them.",
    shown: "moment",
  },
  established: { type: "counter", help: "Connections ESTABLISHED.", shown: ["established"] },
  secured: { type: "counter", help: "TLS handshakes done.", shown: ["tls.secured"] },
  resumed: { type: "counter", help: "TLS handshakes that used an earlier session again.", shown: ["tls.resumed"] },
  ready: {
    type: "counter",
    help: "Connections set up in the protocol; in plain TCP those that are ESTABLISHED.",
    shown: ["ready"],
  },
  failed: {
    type: "counter",
    help: "Connections that failed before they were ESTABLISHED, or ready in the protocol.",
    shown: ["failed"],
  },
  inFlight: { type: "gauge", help: "Connections begun and neither open nor failed.", shown: "moment" },
  open: { type: "gauge", help: "Connections that are open.", shown: ["openAtStop"] },
  lost: { type: "counter", help: "Connections ended by the peer or the network while open.", shown: ["lost"] },
  retired: { type: "counter", help: "Connections closed to follow a schedule downwards.", shown: "moment" },
  skippedTuples: { type: "counter", help: "4-tuples that were taken already.", shown: ["plan.tuplesSkipped"] },
  greeted: { type: "counter", help: "Connections whose first bytes came.", shown: ["greeted"] },
  ungreeted: {
    type: "gauge",
    help: "Connections without a byte for longer than any greeting took; counted when the closing begins.",
    shown: ["greetings.ungreeted"],
  },
  awaitingGreeting: {
    type: "gauge",
    help: "Connections without a byte for not so long; counted when the closing begins.",
    shown: ["greetings.awaited"],
  },

  connectUs: { type: "histogram", help: "From connect() to ESTABLISHED.", shown: ["latency.connect"] },
  tlsUs: { type: "histogram", help: "From ESTABLISHED to the end of the TLS handshake.", shown: ["latency.tls"] },
  handshakeUs: {
    type: "histogram",
    help: "From ESTABLISHED, or the end of TLS's handshake, to ready, where the protocol has a handshake.",
    shown: ["latency.handshake"],
  },
  firstByteUs: {
    type: "histogram",
    help: "From connect() to the first byte that answers no message.",
    shown: ["latency.firstByte"],
  },
  roundTripUs: {
    type: "histogram",
    help: "From a message's moment to its answer; at the end, of those without one, to the end.",
    shown: ["latency.roundTrip"],
  },

  sentBytes: { type: "counter", help: "Bytes that the kernel has taken.", shown: ["traffic.sentBytes"] },
  receivedBytes: { type: "counter", help: "Bytes received.", shown: ["traffic.receivedBytes"] },
  sentHeartbeats: { type: "counter", help: "Heartbeats sent, such as pings.", shown: ["heartbeats.sent"] },
  answeredHeartbeats: { type: "counter", help: "Heartbeats answered by the peer.", shown: ["heartbeats.answered"] },
  responses1xx: {
    type: "counter",
    help: "HTTP responses with status 1xx, which precede others.",
    shown: ["responses.1xx"],
  },
  responses2xx: { type: "counter", help: "HTTP responses with status 2xx.", shown: ["responses.2xx"] },
  responses3xx: { type: "counter", help: "HTTP responses with status 3xx.", shown: ["responses.3xx"] },
  responses4xx: { type: "counter", help: "HTTP responses with status 4xx.", shown: ["responses.4xx"] },
  responses5xx: { type: "counter", help: "HTTP responses with status 5xx.", shown: ["responses.5xx"] },
  retryAfterMs: {
    type: "gauge",
    help: "The longest wait that a response with status 429 or 503 asked for (Retry-After).",
    combined: "max",
    shown: ["responses.retryAfterMs"],
  },
  dueMessages: {
    type: "gauge",
    help: "Messages whose moment came while their connection was open: sent and missed.",
    shown: ["messages.due"],
  },
  sentMessages: {
    type: "counter",
    help: "Messages sent to their end.",
    shown: ["traffic.sentMessages", "messages.sent"],
  },
  answeredMessages: {
    type: "counter",
    help: "Messages answered.",
    shown: ["traffic.answeredMessages", "messages.answered"],
  },
  blockedMessages: {
    type: "counter",
    help: "Messages that were due while the kernel took no more bytes of their connection.",
    shown: ["traffic.blockedMessages", "messages.blocked"],
  },
  answeringConnections: {
    type: "counter",
    help: "Connections over which at least one message was answered.",
    shown: ["traffic.answeringConnections"],
  },
  unansweredMessages: {
    type: "counter",
    help: "Messages sent and not answered; of open connections counted at the end.",
    shown: ["messages.unanswered"],
  },
  inFlightMessages: {
    type: "gauge",
    help: "Messages whose answers were not waited for; of open connections counted at the end.",
    shown: ["messages.inFlight"],
  },
  missedMessages: { type: "counter", help: "Messages due and never sent to their end.", shown: ["messages.missed"] },
  lateMessages: {
    type: "counter",
    help: "Messages sent more than a millisecond after they were due.",
    shown: ["messages.late"],
  },
  longestDelayMs: {
    type: "gauge",
    help: "The longest time between a message's moment and its sending.",
    combined: "max",
    shown: ["messages.longestDelayMs"],
  },
  movedMs: {
    type: "gauge",
    help: "How far standstills of the program have moved the schedule of messages.",
    combined: "max",
    shown: ["messages.movedMs"],
  },
  youngestUnansweredUs: {
    type: "gauge",
    help: "How late the youngest message without an answer was at the end; 0 when there is none.",
    combined: "least",
    shown: ["messages.youngestUnansweredUs"],
  },
  unsolicitedBytes: {
    type: "counter",
    help: "Bytes received that no message asked for.",
    shown: ["messages.unsolicitedBytes"],
  },
  wrongBytes: { type: "counter", help: "Bytes received instead of an answer.", shown: ["messages.wrongBytes"] },

  abandonedMessages: {
    type: "counter",
    help: "Messages without an answer when their connection ended.",
    shown: "internal",
  },
  unansweredOfLost: {
    type: "counter",
    help: "Messages unanswered over connections that were lost.",
    shown: "internal",
  },
  isPaused: { type: "gauge", help: "1 once the worker sends no more messages (CONTROL.paused).", shown: "internal" },

  firstBegunAt: {
    type: "gauge",
    help: "When the worker began its first connection, in milliseconds since the epoch; 0 before.",
    shown: "internal",
  },
  lastResolvedAt: {
    type: "gauge",
    help: "When it last had nothing more to open and nothing in flight, likewise.",
    shown: "internal",
  },
  rampedMs: { type: "counter", help: "How long the ramp has lasted in this worker.", shown: "internal" },
  windowMs: { type: "counter", help: "Of the ramp: with as many handshakes in flight as may be.", shown: "internal" },
  greetingMs: { type: "counter", help: "Of the ramp: with most of those waiting for a greeting.", shown: "internal" },
  descriptorMs: { type: "counter", help: "Of the ramp: without descriptors for more handshakes.", shown: "internal" },
  busyMs: { type: "counter", help: "Of the ramp: opening as fast as the CPU does it.", shown: "internal" },
  paceMs: { type: "counter", help: "Of the ramp: with nothing more to open yet.", shown: "internal" },

  shortestHeldMs: {
    type: "gauge",
    help: "The shortest time between ESTABLISHED and lost; valid once one was lost.",
    combined: "least",
    shown: "internal",
  },
  longestHeldMs: { type: "gauge", help: "The longest such time.", combined: "max", shown: "internal" },
  firstLostAt: {
    type: "gauge",
    help: "When the first of those lost was ESTABLISHED, by the worker's own clock; 0 while none was lost.",
    shown: "internal",
  },
  lastLostAt: { type: "gauge", help: "When the last of those lost was ESTABLISHED, likewise.", shown: "internal" },
  kept: {
    type: "gauge",
    help: "Connections open when the closing begins, in a worker that has lost some.",
    shown: "internal",
  },
  keptOlder: {
    type: "gauge",
    help: "Of these, ESTABLISHED no later than the first of those lost.",
    shown: "internal",
  },
  keptYounger: {
    type: "gauge",
    help: "Of these, ESTABLISHED no earlier than the last of those lost.",
    shown: "internal",
  },
  oldestKeptMs: {
    type: "gauge",
    help: "How long the oldest of these has been ESTABLISHED.",
    combined: "max",
    shown: "internal",
  },
  unboundTuple: {
    type: "gauge",
    help: "The number of the last tuple whose source could not be bound (EADDRNOTAVAIL), and one; 0 while there was none.",
    shown: "internal",
  },
});

/** Index of each counter in a worker's counters. */
export const COUNTER = CLIENT_METRICS.index;

/** Index of each histogram in a worker's histograms. */
export const HISTOGRAM = CLIENT_METRICS.histograms;

/** Metrics included in a snapshot; CLIENT_METRICS has the help text of each. */
export interface ClientMetrics extends MetricValues<typeof CLIENT_METRICS.definitions> {}
