// What a client's run came to: the same object for the terminal, `connect --json`, the report and the library's caller.
import { z } from "../util/zod.js";
import { diagnosis } from "./diagnosis.js";
import { engine } from "./engine.js";
import { evidence } from "./evidence.js";
import {
  bound,
  count,
  failures,
  hostDescription,
  milliseconds,
  perSecond,
  phase,
  share,
  startedAt,
  type TypeOf,
  tls,
  version,
} from "./fields.js";
import { latency } from "./histogram/latency-summary.js";
import { MISS_KINDS, PROTOCOLS } from "./identifiers.js";
import { messages } from "./messages.js";
import { accepting, localPath, localPeer, lossPattern, portShortage } from "./peer.js";

const sample = z.object({
  elapsedMs: milliseconds.describe("since the run's start, threads included"),
  open: count,
  established: count.describe("until now, those that are closed again included"),
  failed: count,
});
/** A moment in a finished run; the numbers are our own counters. */
export type RunSample = TypeOf<typeof sample>;

const endpoint = z.object({ ip: z.string().describe("with its zone, where it has one"), port: z.number() });
export type Endpoint = TypeOf<typeof endpoint>;

const resolvedName = z.object({
  name: z.string(),
  addresses: z.array(z.string()).describe("all of the family asked for, in the resolver's order"),
  used: z.array(z.string()).describe("those that the run went to"),
  unreachable: z.array(z.string()).describe("left out: without a route, or a source address of their family"),
});
/** A host name of the command line, and what it stands for. */
export type ResolvedName = TypeOf<typeof resolvedName>;

const destination = z.object({
  to: z.string(),
  established: count,
  failed: count,
  lastFailure: z.object({ phase, errno: z.string() }).optional().describe("missing when none failed"),
});
/** What came of the attempts to one of several destinations. */
export type DestinationReport = TypeOf<typeof destination>;

const miss = z.object({
  kind: z
    .enum(MISS_KINDS)
    .describe(
      "established: connections asked for that never were ESTABLISHED, with stages those short of the peak; unready: ESTABLISHED and never ready in the protocol; lost: ended by the peer or the network while open; half-open: ESTABLISHED at this end only, because the server's accept queue overflowed; unaccepted: in the server's accept queue, not taken by its program; ungreeted: not greeted by a server that greeted others, or although they were to close after their greeting; unsent: messages that were due and never sent; unanswered: messages that were sent and not answered; failures, rate, latency: a threshold was passed, by connections failed or lost, connections per second, milliseconds of the 99th percentile",
    ),
  count,
  of: count.describe("of how many; of a threshold, what is allowed"),
});
/** One respect in which a run fell short of its target. */
export type Miss = TypeOf<typeof miss>;
export type MissKind = Miss["kind"];

const thresholds = z.object({
  maxP99Ms: milliseconds.optional().describe("of the round trips; of connecting, without messages"),
  minRatePerSec: perSecond.optional().describe("connections ESTABLISHED per second of the ramp"),
  maxFailed: count.optional().describe("connections that may fail or be lost: so many do not count as missing"),
});
/** Limits that a caller sets to a run. */
export type Thresholds = TypeOf<typeof thresholds>;

const outcome = z.enum(["met", "missed", "interrupted"]);
/** `interrupted`: stopped before its natural end. A hold without an end is met when it is stopped, if nothing is missing. */
export type Outcome = TypeOf<typeof outcome>;

const rampShares = z
  .object({
    window: share.describe("as many handshakes were in flight as may be: see --concurrency"),
    greetings: share.describe("most of them were ESTABLISHED and waited for the server's greeting"),
    descriptors: share.describe("there were no descriptors for more at once"),
    cpu: share.describe("connections were opened as fast as our CPU does it"),
    pace: share.describe("the schedule asked for no more"),
  })
  .describe(
    "what of ours held the ramp back, as shares of its time, over all threads; what is low in all of them was the peer's or the network's time",
  );
export type RampShares = TypeOf<typeof rampShares>;

const gaveUp = z.object({ reason: z.enum(["all-failed", "unanswered"]), untried: count });
/** Why a ramp was given up. */
export type GiveUpReason = TypeOf<typeof gaveUp>["reason"];

const greetings = z.object({
  greeted: count,
  ungreeted: count.describe("for longer than a second, and twice as long as any greeting took"),
  awaited: count.describe("for not so long"),
});

export const connectSchema = z
  .object({
    kind: z.literal("connect"),
    version,
    startedAt,
    command: z.string().optional().describe("the command line; results of the library have none"),
    host: hostDescription.optional().describe("where it ran; results of older versions have none"),
    destinations: z.array(z.string()).describe("as they are printed"),
    endpoints: z.array(endpoint).describe("the destinations as addresses and ports, in the same order"),
    names: z.array(resolvedName).optional().describe("host names that were given; results of older versions have none"),
    byDestination: z
      .array(destination)
      .optional()
      .describe(
        "what came of each destination, in their order, where there are 2 to 100; attempts of a single connection that went on to the name's next address are counted here only",
      ),
    outcome: outcome.optional().describe("whether the run came to what was asked; results of older versions have none"),
    misses: z
      .array(miss)
      .default([])
      .describe("what is missing; empty when the target is met, and in results of older versions"),
    isTargetMet: z
      .boolean()
      .describe(
        "the outcome is met: every connection asked for was ESTABLISHED and held, at both ends where both can be seen",
      ),
    thresholds: thresholds.optional().describe("what the caller allowed"),
    requested: count,
    protocol: z
      .enum(PROTOCOLS)
      .optional()
      .describe("what was spoken over the connections; results of older versions have none, and are of tcp"),
    established: count,
    ready: count
      .optional()
      .describe(
        "set up in the protocol: an upgrade accepted; in plain TCP as established; results of older versions have none",
      ),
    greeted: count.optional().describe("whose first bytes came; with --close-after-greeting only"),
    peakOpen: count,
    openAtStop: count.describe("open when the closing began"),
    failed: count.describe("before they were ESTABLISHED, or ready in the protocol"),
    failures,
    lost: count.describe("ended by the peer or the network while open"),
    losses: failures,
    setupMs: milliseconds.describe("from the start to the first connect(): threads"),
    rampMs: milliseconds.describe("from the first connect() until the last connection had settled"),
    rampShares: rampShares.optional(),
    scheduleMovedMs: milliseconds
      .optional()
      .describe("by how much the schedule moved because this process did not run, as when it was stopped"),
    gaveUp: gaveUp.optional().describe("why the ramp was given up; connections that were not tried, or not to the end"),
    holdMs: milliseconds,
    closeMs: milliseconds.describe("the wait for answers on their way included"),
    samples: z
      .array(sample)
      .default([])
      .describe("the run over time, at most some 600 points; results of older versions have none"),
    ratePerSec: perSecond.describe("ready in the protocol per second of the ramp; in plain TCP ESTABLISHED"),
    latency: z.object({
      connect: latency.describe("from connect() to ESTABLISHED"),
      tls: latency.optional().describe("from ESTABLISHED to the end of TLS's handshake; missing in the clear"),
      handshake: latency
        .optional()
        .describe(
          "from ESTABLISHED, or the end of TLS's handshake, to ready in the protocol; missing where it has no handshake",
        ),
      firstByte: latency,
      roundTrip: latency.describe(
        "of every message that was due, when an answer was expected: those without one count as late as they were at the end",
      ),
    }),
    greetings: greetings
      .optional()
      .describe(
        "open connections that the server greeted, has not, or not yet, when the closing began; missing where it spoke to none, or messages ask it to",
      ),
    traffic: z.object({
      sentBytes: count,
      receivedBytes: count,
      sentMessages: count,
      answeredMessages: count,
      blockedMessages: count,
      answeringConnections: count.optional().describe("over which at least one message was answered"),
    }),
    tls: tls.optional(),
    heartbeats: z
      .object({ sent: count, answered: count })
      .optional()
      .describe("such as pings: sent by this side, and answered by the peer"),
    messages: messages.optional().describe("none without messages, and in results of older versions"),
    memory: z.object({
      userBytesPerConnection: z.number(),
      kernelBytesPerConnection: z.number(),
      kernelErrorPerConnection: count
        .optional()
        .describe("how far that may be off: others' memory is in it; missing where too little was read to tell"),
      kernelEnds: z
        .enum(["one", "both"])
        .describe("both when the other end is on this host too, and its kernel memory is counted in"),
    }),
    kernel: z
      .object({
        source: z.string(),
        outgoing: count.describe("towards the destination ports"),
        incoming: count.describe("on the destination ports as their local ports; 0 when the server is elsewhere"),
      })
      .optional()
      .describe("ESTABLISHED sockets in the kernel's table while the connections were held"),
    plan: z.object({
      tuplesAvailable: count,
      tuplesSkipped: count,
      sourceAddresses: count,
      sourcePorts: z.string().describe("kernel, a port, or a range of them such as 1024-65535"),
    }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: bound,
    engine: engine.optional().describe("missing in results of older versions, and of parts that differ in it"),
    evidence: evidence.extend({
      peer: localPeer
        .optional()
        .describe("the server's side at the end of the hold, where it is on this host and the target was missed"),
      accepting: accepting
        .optional()
        .describe("the server's end when the hold ended, where something waited there to be accepted"),
      localPath: localPath.optional(),
      shortage: portShortage
        .optional()
        .describe("what stands behind EADDRNOTAVAIL; missing where neither bind() nor connect() said so"),
      lossPattern: lossPattern.optional(),
    }),
    diagnosis,
  })
  .meta({ title: "ConnectResult", description: "What `fourtuple connect --json` prints" });
export interface ConnectResult extends TypeOf<typeof connectSchema> {}
