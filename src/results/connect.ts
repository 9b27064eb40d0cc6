// The result of a client's run, shared by the terminal, `connect --json`, reports and the library's
// callers.
import { z } from "../util/zod.js";
import { diagnosis } from "./diagnosis.js";
import { engine, packetCounts } from "./engine.js";
import { evidence } from "./evidence.js";
import {
  bound,
  count,
  failures,
  hostDescription,
  milliseconds,
  perSecond,
  phase,
  responses,
  share,
  startedAt,
  type TypeOf,
  tls,
  version,
} from "./fields.js";
import { fleet } from "./fleet/fleet.js";
import { latency } from "./histogram/latency-summary.js";
import { PROTOCOLS, TRANSPORTS } from "./identifiers.js";
import { messages } from "./messages.js";
import { miss, outcome, thresholds } from "./outcome.js";
import { accepting, localPath, localPeer, lossPattern, outage, portShortage, unacknowledged } from "./peer.js";
import { script } from "./script.js";

const sample = z.object({
  elapsedMs: milliseconds.describe("time since the start of the run, including thread start-up"),
  open: count,
  established: count.describe("cumulative, including connections that have since been closed"),
  failed: count,
});
/** One point in time of a finished run, from fourtuple's own counters. */
export type RunSample = TypeOf<typeof sample>;

const endpoint = z.object({ ip: z.string().describe("including the zone, if any"), port: z.number() });
export type Endpoint = TypeOf<typeof endpoint>;

const resolvedName = z.object({
  name: z.string(),
  addresses: z.array(z.string()).describe("all addresses of the requested family, in the resolver's order"),
  used: z.array(z.string()).describe("addresses that the run connected to"),
  unreachable: z.array(z.string()).describe("addresses without a route or a source address of their family"),
});
/** A host name on the command line and its addresses. */
export type ResolvedName = TypeOf<typeof resolvedName>;

const destination = z.object({
  to: z.string(),
  established: count,
  failed: count,
  lastFailure: z.object({ phase, errno: z.string() }).optional().describe("missing if no connection failed"),
});
/** The outcome of the connections to one of several destinations. */
export type DestinationReport = TypeOf<typeof destination>;

const rampShares = z
  .object({
    window: share.describe("as many handshakes were in flight as permitted (--concurrency)"),
    greetings: share.describe("most connections in flight were ESTABLISHED and waiting for the server's greeting"),
    descriptors: share.describe("no descriptors were available for more connections at once"),
    cpu: share.describe("connections were opened as fast as our CPU allows"),
    pace: share.describe("the schedule did not require more"),
  })
  .describe(
    "shares of the ramp's time, over all threads, during which something on our side limited it; if all are low, the peer or the network was the limit",
  );
export type RampShares = TypeOf<typeof rampShares>;

const gaveUp = z.object({ reason: z.enum(["all-failed", "unanswered"]), untried: count });
/** Why a ramp was aborted. */
export type GiveUpReason = TypeOf<typeof gaveUp>["reason"];

const greetings = z.object({
  greeted: count,
  ungreeted: count.describe("waiting for longer than a second and twice as long as any greeting took"),
  awaited: count.describe("waiting for at most a second, or at most twice as long as any greeting took"),
});

export const connectSchema = z
  .object({
    kind: z.literal("connect"),
    version,
    startedAt,
    command: z.string().optional().describe("command line; missing in results from the library"),
    host: hostDescription.optional().describe("host of the run; missing in results from older versions"),
    destinations: z.array(z.string()).describe("as printed in text output"),
    endpoints: z.array(endpoint).describe("addresses and ports of the destinations, in the same order"),
    names: z.array(resolvedName).optional().describe("host names given; missing in results from older versions"),
    byDestination: z
      .array(destination)
      .optional()
      .describe(
        "results per destination, in the same order, if there are 2 to 100; only here, attempts of a single connection to a name's earlier addresses are counted as well",
      ),
    outcome: outcome.optional().describe("whether the run met its target; missing in results from older versions"),
    misses: z
      .array(miss)
      .default([])
      .describe("why the target was missed; empty if it was met, and in results from older versions"),
    isTargetMet: z
      .boolean()
      .describe("whether all requested connections were ESTABLISHED and held, at both ends if both are visible"),
    thresholds: thresholds.optional().describe("thresholds set by the caller"),
    requested: count,
    protocol: z
      .enum(PROTOCOLS)
      .optional()
      .describe("protocol used on the connections; missing in results from older versions, which used tcp"),
    script: script.optional(),
    established: count,
    ready: count
      .optional()
      .describe(
        "number of connections set up in the protocol, for example upgraded, with a first HTTP response that is not an error (in a pool, with any response), or accepted and subscribed in MQTT; in plain TCP, same as established; missing in results from older versions",
      ),
    greeted: count.optional().describe("connections that received their first bytes; only with --close-after-greeting"),
    peakOpen: count,
    openAtStop: count.describe("number of connections open when closing began"),
    failed: count.describe("number of connections that failed before they were ESTABLISHED or ready in the protocol"),
    failures,
    lost: count.describe("number of connections ended by the peer or the network while open"),
    tlsAlerts: count
      .optional()
      .describe("number of TLS alerts received on connections without TLS; missing in older results"),
    losses: failures,
    reopened: z
      .object({
        announced: count.describe("closed by the server after it had announced the close, as with Connection: close"),
        idle: count.describe(
          "closed by the server while idle, including those closed just as the next request was sent",
        ),
        cutShort: count
          .optional()
          .describe("ended in the middle of a response, whose request is unanswered; missing in older results"),
        failed: count.describe("closed by the server and not reopened, because that failed"),
        repeated: count
          .optional()
          .describe(
            "number of requests sent again because the server closed the idle connection just as they were sent; missing in older results",
          ),
        unrepeated: count
          .optional()
          .describe(
            "number of unanswered requests that were not sent again after the server closed the idle connection just as they were sent, because their method is not idempotent; missing in older results",
          ),
      })
      .optional()
      .describe(
        "connections of an HTTP pool that the server closed and that were opened again for their next request, in addition to `established`; missing if a connection that the server closes counts as lost",
      ),
    setupMs: milliseconds.describe("time from the start to the first connect(), spent starting threads"),
    rampMs: milliseconds.describe("time from the first connect() until the last connection was ready or had failed"),
    rampShares: rampShares.optional(),
    scheduleMovedMs: milliseconds
      .optional()
      .describe("delay of the schedule because this process did not run, for example while stopped"),
    standstills: z
      .object({
        count,
        totalMs: milliseconds.describe("includes the time in which the machine slept, which other durations do not"),
        longestMs: milliseconds,
        cutOff: count.describe(
          "number of handshakes that timed out, or that the peer ended, during a standstill or right after it",
        ),
        lost: count.describe("number of connections that ended during a standstill or right after it"),
        latencies: count.describe(
          "number of latencies, of any kind but delivery, that were measured over a standstill and include it",
        ),
        connects: count.describe("number of those that are times of TCP handshakes"),
        roundTrips: count.describe("number of those that are round trips"),
      })
      .optional()
      .describe(
        "times of half a second or more in which this process did not run: it was stopped or frozen, got no CPU, or the machine slept; missing if there were none",
      ),
    gaveUp: gaveUp
      .optional()
      .describe("why the ramp was abandoned, and the number of connections that were not attempted or not completed"),
    holdMs: milliseconds,
    closeMs: milliseconds.describe("including the wait for outstanding answers"),
    samples: z
      .array(sample)
      .default([])
      .describe("progress over time, up to about 600 samples; missing in results from older versions"),
    ratePerSec: perSecond.describe("ready connections per second of the ramp; in plain TCP, ESTABLISHED ones"),
    latency: z.object({
      connect: latency.describe("from connect() to ESTABLISHED"),
      tls: latency.optional().describe("from ESTABLISHED to the end of the TLS handshake; missing without TLS"),
      handshake: latency
        .optional()
        .describe(
          "from ESTABLISHED, or the end of the TLS handshake, to ready in the protocol, or to an HTTP response that refuses; missing if the protocol has no handshake",
        ),
      firstByte: latency,
      roundTrip: latency.describe(
        "of all messages due, if answers are expected; unanswered ones count with the time they have waited",
      ),
      delivery: latency
        .optional()
        .describe(
          "of published messages with a time stamp, from their due time to their arrival at a subscriber; missing if none arrived",
        ),
    }),
    greetings: greetings
      .optional()
      .describe(
        "open connections that were greeted, not greeted, or still waiting when closing began; missing if the server greeted none, or if messages request its answers",
      ),
    traffic: z.object({
      sentBytes: count,
      receivedBytes: count,
      sentMessages: count,
      answeredMessages: count,
      blockedMessages: count,
      answeringConnections: count.optional().describe("number of connections with at least one answered message"),
    }),
    tls: tls.optional(),
    heartbeats: z
      .object({
        sent: count,
        answered: count,
        received: count
          .optional()
          .describe("heartbeats received from the peer, each of which was answered; missing in older results"),
      })
      .optional()
      .describe("heartbeats, such as pings, sent by this side and answered by the peer"),
    deliveries: z
      .object({
        received: count,
        lost: count
          .optional()
          .describe(
            "published messages missing from their publisher's sequence, with later ones received; missing with a shared subscription, which spreads a sequence over several subscribers",
          ),
        undelivered: count
          .optional()
          .describe(
            "the last messages of this run's publishers, if they had not arrived a second after they were sent: the broker has dropped them or is behind; missing if the run does not subscribe to what it publishes",
          ),
        repeated: count.describe("received again"),
      })
      .optional()
      .describe(
        "MQTT: published messages that subscribers received, from any publisher; WebSocket: messages that answered nothing; missing if none arrived",
      ),
    responses: responses
      .extend({
        statuses: failures.describe(
          "4xx and 5xx over ready connections, by status, the most frequent first; CUT_SHORT means that a pool's connection ended in the middle of the response",
        ),
        retryAfterMs: milliseconds.describe("longest wait requested by a 429 or 503 (Retry-After); 0 for none"),
      })
      .optional()
      .describe("HTTP responses received; missing for other protocols"),
    messages: messages.optional().describe("missing without messages, and in results from older versions"),
    memory: z.object({
      userBytesPerConnection: z.number(),
      kernelBytesPerConnection: z.number(),
      kernelErrorPerConnection: count
        .optional()
        .describe(
          "uncertainty of the kernel memory, which includes memory used by other programs; missing if memory was read too few times",
        ),
      kernelEnds: z
        .enum(["one", "both"])
        .describe("both if the other end is on this host too, so that its kernel memory is included"),
    }),
    kernel: z
      .object({
        source: z.string(),
        outgoing: count
          .optional()
          .describe("sockets connected to the destination ports; missing with transport packet, which has none"),
        incoming: count.describe("sockets whose local port is a destination port; 0 if the server is elsewhere"),
      })
      .optional()
      .describe("ESTABLISHED sockets in the kernel's socket table during the hold"),
    plan: z.object({
      tuplesAvailable: count,
      tuplesSkipped: count,
      sourceAddresses: count,
      sourcePorts: z.string().describe("kernel, a port, or a range of ports such as 1024-65535"),
    }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: bound,
    transport: z
      .enum(TRANSPORTS)
      .optional()
      .describe(
        "packet: TCP in this program, through a TUN device, without kernel sockets at this end; missing in older results",
      ),
    packets: packetCounts.optional().describe("what TCP in this program counted; missing with kernel sockets"),
    engine: engine.optional().describe("missing in older results, and in merged results with different engines"),
    evidence: evidence.extend({
      peer: localPeer
        .optional()
        .describe("server side at the end of the hold, if it is on this host and the target was missed"),
      accepting: accepting
        .optional()
        .describe("server side at the end of the hold, if connections were waiting to be accepted"),
      localPath: localPath.optional(),
      shortage: portShortage.optional().describe("causes of EADDRNOTAVAIL, if bind() or connect() returned it"),
      unacknowledged: unacknowledged
        .optional()
        .describe("missing if every message and heartbeat was answered, and with transport packet"),
      lossPattern: lossPattern.optional(),
      outage: outage.optional(),
    }),
    fleet: fleet.optional(),
    diagnosis,
  })
  .meta({ title: "ConnectResult", description: "Output of `fourtuple connect --json`" });
export interface ConnectResult extends TypeOf<typeof connectSchema> {}
