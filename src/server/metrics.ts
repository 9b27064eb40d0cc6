// Metrics of server workers. Each worker writes its own copy of the metrics; engine/metrics.ts derives everything
// else from these declarations.
import { defineMetrics, type MetricValues } from "../engine/metrics.js";

export const SERVER_METRICS = defineMetrics("fourtuple_serve", {
  accepted: { type: "counter", help: "Connections accepted.", shown: ["accepted"] },
  proxyV1: {
    type: "counter",
    help: "PROXY protocol headers received, version 1.",
    shown: ["proxyProtocol.v1"],
  },
  proxyV2: {
    type: "counter",
    help: "PROXY protocol headers received, version 2.",
    shown: ["proxyProtocol.v2"],
  },
  proxyWithoutClient: {
    type: "counter",
    help: "PROXY protocol headers without a client's address, such as those of health checks.",
    shown: ["proxyProtocol.withoutClient"],
  },
  unexpectedProxyHeaders: {
    type: "counter",
    help: "PROXY protocol headers received as data.",
    shown: ["unexpectedProxyHeaders"],
  },
  secured: { type: "counter", help: "TLS handshakes completed.", shown: ["tls.secured"] },
  resumed: { type: "counter", help: "TLS handshakes that resumed a session.", shown: ["tls.resumed"] },
  ready: {
    type: "counter",
    help: "Connections ready for the protocol; with plain TCP, those accepted.",
    shown: ["ready"],
  },
  open: { type: "gauge", help: "Open connections.", shown: ["openAtStop"] },
  closed: { type: "counter", help: "Closed connections.", shown: "moment" },
  rejected: {
    type: "counter",
    help: "Connections closed at once because --max-connections was reached.",
    shown: ["rejected"],
  },
  resets: { type: "counter", help: "Connections ended by the peer with RST.", shown: "moment" },
  sentBytes: { type: "counter", help: "Bytes handed to the kernel.", shown: ["sentBytes"] },
  receivedBytes: { type: "counter", help: "Bytes received.", shown: ["receivedBytes"] },
  sentHeartbeats: { type: "counter", help: "Heartbeats sent, such as pings.", shown: ["heartbeats.sent"] },
  answeredHeartbeats: { type: "counter", help: "Heartbeats answered by the peer.", shown: ["heartbeats.answered"] },
  receivedHeartbeats: {
    type: "counter",
    help: "Heartbeats received from the peer, each of which was answered.",
    shown: ["heartbeats.received"],
  },
  responses1xx: {
    type: "counter",
    help: "HTTP responses with status 1xx, which precede the final response.",
    shown: ["responses.1xx"],
  },
  responses2xx: { type: "counter", help: "HTTP responses with status 2xx.", shown: ["responses.2xx"] },
  responses3xx: { type: "counter", help: "HTTP responses with status 3xx.", shown: ["responses.3xx"] },
  responses4xx: { type: "counter", help: "HTTP responses with status 4xx.", shown: ["responses.4xx"] },
  responses5xx: { type: "counter", help: "HTTP responses with status 5xx.", shown: ["responses.5xx"] },
  tableFull: {
    type: "counter",
    help: "Number of times a worker stopped accepting because its descriptor table was full.",
    shown: ["tableFull"],
  },
});

/** Index of each metric in a worker's counters. */
export const COUNTER = SERVER_METRICS.index;

/** Metrics included in a snapshot; SERVER_METRICS has the help text of each. */
export interface ServerMetrics extends MetricValues<typeof SERVER_METRICS.definitions> {}
