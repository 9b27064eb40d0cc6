// Metrics of server workers. Each worker writes its own copy; engine/metrics.ts derives everything else from these
// declarations.
import { defineMetrics, type MetricValues } from "../engine/metrics.js";

export const SERVER_METRICS = defineMetrics("fourtuple_serve", {
  accepted: { type: "counter", help: "Connections accepted.", shown: ["accepted"] },
  secured: { type: "counter", help: "TLS handshakes done.", shown: ["tls.secured"] },
  resumed: { type: "counter", help: "TLS handshakes that used an earlier session again.", shown: ["tls.resumed"] },
  ready: {
    type: "counter",
    help: "Connections set up in the protocol; in plain TCP those accepted.",
    shown: ["ready"],
  },
  open: { type: "gauge", help: "Connections that are open.", shown: ["openAtStop"] },
  closed: { type: "counter", help: "Connections that have ended.", shown: "moment" },
  rejected: {
    type: "counter",
    help: "Connections accepted and closed at once: there were as many as --max-connections.",
    shown: ["rejected"],
  },
  resets: { type: "counter", help: "Connections ended by the peer with RST.", shown: "moment" },
  sentBytes: { type: "counter", help: "Bytes that the kernel has taken.", shown: ["sentBytes"] },
  receivedBytes: { type: "counter", help: "Bytes received.", shown: ["receivedBytes"] },
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
  tableFull: {
    type: "counter",
    help: "Times that a full descriptor table made a worker leave the listening socket to the others.",
    shown: ["tableFull"],
  },
});

/** Index of each metric in a worker's counters. */
export const COUNTER = SERVER_METRICS.index;

/** Metrics included in a snapshot; SERVER_METRICS has the help text of each. */
export interface ServerMetrics extends MetricValues<typeof SERVER_METRICS.definitions> {}
