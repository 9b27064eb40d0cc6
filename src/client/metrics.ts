// Metrics of client workers. Each worker writes its own copy of the metrics; engine/metrics.ts derives everything
// else from these declarations.
import { defineMetrics, type MetricValues } from "../engine/metrics.js";

export const CLIENT_METRICS = defineMetrics("fourtuple_connect", {
  started: {
    type: "gauge",
    help: "Connections started, excluding those whose 4-tuple was in use.",
    shown: "moment",
  },
  established: { type: "counter", help: "Connections ESTABLISHED.", shown: ["established"] },
  secured: { type: "counter", help: "TLS handshakes completed.", shown: ["tls.secured"] },
  resumed: { type: "counter", help: "TLS handshakes that resumed a session.", shown: ["tls.resumed"] },
  tlsAlerts: {
    type: "counter",
    help: "TLS alerts received on connections without TLS.",
    shown: ["tlsAlerts"],
  },
  unannounced: {
    type: "counter",
    help: "TLS connections that the peer ended without close_notify.",
    shown: ["tls.unannounced"],
  },
  ready: {
    type: "counter",
    help: "Connections ready for the protocol; with plain TCP, those ESTABLISHED.",
    shown: ["ready"],
  },
  failed: {
    type: "counter",
    help: "Connections that failed before they were ESTABLISHED, or ready for the protocol.",
    shown: ["failed"],
  },
  inFlight: { type: "gauge", help: "Connections started but neither open nor failed yet.", shown: "moment" },
  open: { type: "gauge", help: "Open connections.", shown: ["openAtStop"] },
  lost: { type: "counter", help: "Connections ended by the peer or the network while open.", shown: ["lost"] },
  retired: { type: "counter", help: "Connections closed because a stage ramps down.", shown: "moment" },
  reopenedAnnounced: {
    type: "counter",
    help: "Connections reopened because the server had announced that it would close them (Connection: close).",
    shown: ["reopened.announced"],
  },
  reopenedIdle: {
    type: "counter",
    help: "Connections reopened because the server had closed them while they were idle.",
    shown: ["reopened.idle"],
  },
  reopenedCutShort: {
    type: "counter",
    help: "Connections reopened because they had ended in the middle of a response.",
    shown: ["reopened.cutShort"],
  },
  repeatedRequests: {
    type: "counter",
    help: "Requests sent again because the server had closed the idle connection just as they were sent.",
    shown: ["reopened.repeated"],
  },
  unrepeatedRequests: {
    type: "counter",
    help: "Requests not sent again, because the server may have processed them before it closed the idle connection.",
    shown: ["reopened.unrepeated"],
  },
  unreopened: { type: "counter", help: "Connections that could not be reopened.", shown: ["reopened.failed"] },
  toReopen: {
    type: "gauge",
    help: "Connections closed by the server that will be reopened for their next message.",
    shown: "moment",
  },
  reopening: { type: "gauge", help: "Connections being reopened.", shown: "internal" },
  skippedTuples: { type: "counter", help: "4-tuples skipped because they were in use.", shown: ["plan.tuplesSkipped"] },
  greeted: { type: "counter", help: "Connections that received their first bytes.", shown: ["greeted"] },
  ungreeted: {
    type: "gauge",
    help: "Connections that received nothing for longer than any greeting took, counted when closing starts.",
    shown: ["greetings.ungreeted"],
  },
  awaitingGreeting: {
    type: "gauge",
    help: "Connections that received nothing but may still be greeted, counted when closing starts.",
    shown: ["greetings.awaited"],
  },

  connectUs: { type: "histogram", help: "From connect() to ESTABLISHED.", shown: ["latency.connect"] },
  tlsUs: { type: "histogram", help: "From ESTABLISHED to the end of the TLS handshake.", shown: ["latency.tls"] },
  handshakeUs: {
    type: "histogram",
    help: "From ESTABLISHED, or the end of the TLS handshake, to ready, for protocols with a handshake.",
    shown: ["latency.handshake"],
  },
  firstByteUs: {
    type: "histogram",
    help: "From connect() to the first byte that is not an answer.",
    shown: ["latency.firstByte"],
  },
  roundTripUs: {
    type: "histogram",
    help: "From the time a message was due to its answer, or to the end of the run if it has none.",
    shown: ["latency.roundTrip"],
  },

  deliveryUs: {
    type: "histogram",
    help: "From a published message's due time to its arrival at a subscriber.",
    shown: ["latency.delivery"],
  },

  standstillLatencies: {
    type: "counter",
    help: "Latencies, of any kind, that span a time in which the worker's thread did not run.",
    shown: "internal",
  },
  standstillConnects: { type: "counter", help: "Times of TCP handshakes among them.", shown: "internal" },
  standstillRoundTrips: { type: "counter", help: "Round trips of messages among them.", shown: "internal" },

  sentBytes: { type: "counter", help: "Bytes handed to the kernel.", shown: ["traffic.sentBytes"] },
  receivedBytes: { type: "counter", help: "Bytes received.", shown: ["traffic.receivedBytes"] },
  sentHeartbeats: { type: "counter", help: "Heartbeats sent, such as pings.", shown: ["heartbeats.sent"] },
  answeredHeartbeats: { type: "counter", help: "Heartbeats answered by the peer.", shown: ["heartbeats.answered"] },
  receivedHeartbeats: {
    type: "counter",
    help: "Heartbeats received from the peer, each of which was answered.",
    shown: ["heartbeats.received"],
  },
  receivedMessages: { type: "counter", help: "Published messages received.", shown: ["deliveries.received"] },
  lostMessages: {
    type: "counter",
    help: "Published messages missing from their publisher's sequence.",
    shown: ["deliveries.lost"],
  },
  undeliveredMessages: {
    type: "gauge",
    help: "This run's last published messages that had not arrived at its end.",
    shown: ["deliveries.undelivered"],
  },
  repeatedMessages: { type: "counter", help: "Published messages received again.", shown: ["deliveries.repeated"] },
  responses1xx: {
    type: "counter",
    help: "HTTP responses with status 1xx, which precede the final response.",
    shown: ["responses.1xx"],
  },
  responses2xx: { type: "counter", help: "HTTP responses with status 2xx.", shown: ["responses.2xx"] },
  responses3xx: { type: "counter", help: "HTTP responses with status 3xx.", shown: ["responses.3xx"] },
  responses4xx: { type: "counter", help: "HTTP responses with status 4xx.", shown: ["responses.4xx"] },
  responses5xx: { type: "counter", help: "HTTP responses with status 5xx.", shown: ["responses.5xx"] },
  retryAfterMs: {
    type: "gauge",
    help: "Longest wait requested by a response with status 429 or 503 (Retry-After).",
    combined: "max",
    shown: ["responses.retryAfterMs"],
  },
  dueMessages: {
    type: "gauge",
    help: "Messages due while their connection was open: sent or missed.",
    shown: ["messages.due"],
  },
  sentMessages: {
    type: "counter",
    help: "Messages sent completely.",
    shown: ["traffic.sentMessages", "messages.sent"],
  },
  answeredMessages: {
    type: "counter",
    help: "Messages answered.",
    shown: ["traffic.answeredMessages", "messages.answered"],
  },
  blockedMessages: {
    type: "counter",
    help: "Messages due while their connection's send buffer was full.",
    shown: ["traffic.blockedMessages", "messages.blocked"],
  },
  answeringConnections: {
    type: "counter",
    help: "Connections with at least one answered message.",
    shown: ["traffic.answeringConnections"],
  },
  unansweredMessages: {
    type: "counter",
    help: "Messages sent but not answered; for open connections, counted at the end.",
    shown: ["messages.unanswered"],
  },
  waitingConnections: {
    type: "gauge",
    help: "Open connections with messages that were not answered, or due but not sent, counted at the end.",
    shown: ["messages.waitingConnections"],
  },
  inFlightMessages: {
    type: "gauge",
    help: "Messages sent too late to wait for their answers; for open connections, counted at the end.",
    shown: ["messages.inFlight"],
  },
  missedMessages: { type: "counter", help: "Messages due but never sent completely.", shown: ["messages.missed"] },
  lateMessages: {
    type: "counter",
    help: "Messages sent more than a millisecond after they were due.",
    shown: ["messages.late"],
  },
  longestDelayMs: {
    type: "gauge",
    help: "Longest time between a message's due time and its sending.",
    combined: "max",
    shown: ["messages.longestDelayMs"],
  },
  movedMs: {
    type: "gauge",
    help: "Time by which pauses of the process have shifted the message schedule.",
    combined: "max",
    shown: ["messages.movedMs"],
  },
  youngestUnansweredUs: {
    type: "gauge",
    help: "Age of the most recent unanswered message at the end; 0 if there is none.",
    combined: "least",
    shown: ["messages.youngestUnansweredUs"],
  },
  unsolicitedBytes: {
    type: "counter",
    help: "Unsolicited bytes received.",
    shown: ["messages.unsolicitedBytes"],
  },
  wrongBytes: { type: "counter", help: "Bytes received instead of an answer.", shown: ["messages.wrongBytes"] },

  abandonedMessages: {
    type: "counter",
    help: "Messages unanswered when their connection ended.",
    shown: "internal",
  },
  unansweredOfLost: {
    type: "counter",
    help: "Unanswered messages on lost connections.",
    shown: "internal",
  },
  remainingMessages: {
    type: "gauge",
    help: "Messages of a limited number that may still be sent or answered, over the connections that exist.",
    shown: "internal",
  },
  isPaused: { type: "gauge", help: "1 once the worker sends no more messages (CONTROL.paused).", shown: "internal" },

  deliveryAudits: {
    type: "gauge",
    help: "Number of questions about published messages that the worker has answered (CONTROL.deliveryAudit).",
    shown: "internal",
  },

  firstBegunAt: {
    type: "gauge",
    help: "Start of the worker's first connection, in milliseconds since the epoch; 0 before that.",
    shown: "internal",
  },
  lastResolvedAt: {
    type: "gauge",
    help: "Last time the worker had nothing to open and nothing in flight, in milliseconds since the epoch.",
    shown: "internal",
  },
  rampedMs: { type: "counter", help: "Duration of this worker's ramp.", shown: "internal" },
  windowMs: {
    type: "counter",
    help: "Part of the ramp with the maximum number of handshakes in flight.",
    shown: "internal",
  },
  greetingMs: {
    type: "counter",
    help: "Part of the ramp with most connections in flight waiting for a greeting.",
    shown: "internal",
  },
  descriptorMs: {
    type: "counter",
    help: "Part of the ramp without descriptors for more handshakes.",
    shown: "internal",
  },
  busyMs: { type: "counter", help: "Part of the ramp limited by the CPU.", shown: "internal" },
  paceMs: { type: "counter", help: "Part of the ramp with nothing to open yet.", shown: "internal" },

  shortestHeldMs: {
    type: "gauge",
    help: "Shortest time from ESTABLISHED to lost; valid once a connection was lost.",
    combined: "least",
    shown: "internal",
  },
  longestHeldMs: { type: "gauge", help: "Longest time from ESTABLISHED to lost.", combined: "max", shown: "internal" },
  firstLostAt: {
    type: "gauge",
    help: "When the first lost connection was ESTABLISHED, on the worker's own clock; 0 if none was lost.",
    shown: "internal",
  },
  lastLostAt: {
    type: "gauge",
    help: "When the last lost connection was ESTABLISHED, on the worker's own clock.",
    shown: "internal",
  },
  kept: {
    type: "gauge",
    help: "Connections open when closing starts, in a worker that has lost some.",
    shown: "internal",
  },
  keptOlder: {
    type: "gauge",
    help: "Connections open when closing starts and ESTABLISHED no later than the first lost one.",
    shown: "internal",
  },
  keptYounger: {
    type: "gauge",
    help: "Connections open when closing starts and ESTABLISHED no earlier than the last lost one.",
    shown: "internal",
  },
  oldestKeptMs: {
    type: "gauge",
    help: "Time since ESTABLISHED of the oldest connection open when closing starts.",
    combined: "max",
    shown: "internal",
  },
  endings: {
    type: "counter",
    help: "Connections that the peer ended without giving a code, in a handshake or later.",
    shown: "internal",
  },
  cutOffHandshakes: {
    type: "counter",
    help: "Handshakes, of TCP or above, that timed out, or that the peer ended without giving a code.",
    shown: "internal",
  },
  firstRefusedAt: {
    type: "gauge",
    help: "When a connection was first refused (ECONNREFUSED), in milliseconds since the epoch; 0 if none was.",
    shown: "internal",
  },
  lastRefusedAt: { type: "gauge", help: "When a connection was last refused.", shown: "internal" },
  readyAtFirstRefusal: { type: "gauge", help: "Value of `ready` at the first refusal.", shown: "internal" },
  establishedAtFirstRefusal: {
    type: "gauge",
    help: "Value of `established` at the first refusal.",
    shown: "internal",
  },
  establishedAtLastRefusal: { type: "gauge", help: "Value of `established` at the last refusal.", shown: "internal" },
  endingsAtLastRefusal: { type: "gauge", help: "Value of `endings` at the last refusal.", shown: "internal" },
  unboundTuple: {
    type: "gauge",
    help: "Number of the last 4-tuple whose source could not be bound (EADDRNOTAVAIL), plus one; 0 if there was none.",
    shown: "internal",
  },
});

/** Index of each counter in a worker's counters. */
export const COUNTER = CLIENT_METRICS.index;

/** Index of each histogram in a worker's histograms. */
export const HISTOGRAM = CLIENT_METRICS.histograms;

/** Metrics included in a snapshot. The help texts are in CLIENT_METRICS. */
export interface ClientMetrics extends MetricValues<typeof CLIENT_METRICS.definitions> {}
