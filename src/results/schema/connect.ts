// The schema of what `fourtuple connect --json` prints, the diagnosis beside the result aside.

import { GIVE_UP_REASONS } from "../../client/ramp/give-up.js";
import { MISS_KINDS } from "../../client/verdict/verdict.js";
import { PHASES } from "../../engine/worker-memory.js";
import { SOURCE_PROBLEMS } from "../../planning/source-problems.js";
import { EXPECTATIONS } from "../../protocols/modes.js";
import { z } from "../../util/zod.js";
import {
  count,
  evidence,
  failures,
  hostDescription,
  latency,
  microseconds,
  milliseconds,
  startedAt,
  version,
} from "./parts.js";

const sample = z.object({
  elapsedMs: milliseconds.describe("since the run's start"),
  open: count,
  established: count.describe("until now"),
  failed: count,
});

const share = z.number().min(0).max(1);
const rampShares = z.object({
  window: share.describe("as many handshakes were in flight as may be: see --concurrency"),
  greetings: share.describe("most of them were ESTABLISHED and waited for the server's greeting"),
  descriptors: share.describe("there were no descriptors for more at once"),
  cpu: share.describe("connections were opened as fast as our CPU does it"),
  pace: share.describe("the schedule asked for no more"),
});

const lossPattern = z
  .object({
    shortestHeldMs: milliseconds,
    longestHeldMs: milliseconds,
    openedOverMs: milliseconds,
    kept: count,
    keptOlder: count,
    keptYounger: count,
    oldestKeptMs: milliseconds,
  })
  .describe("which connections were lost: the oldest, the newest, or some of all ages");
const listener = z.object({
  ip: z.string(),
  port: z.number(),
  acceptQueue: z.object({ used: count, limit: count.optional() }),
  drops: count.optional().describe("what it has dropped while the run lasted"),
  uid: z.number(),
  inode: z.number().optional(),
  since: z
    .enum(["before", "replaced", "late"])
    .optional()
    .describe("listened when the run began, was made anew in mid-run, or was not there at first"),
});

const elsewhere = z
  .object({
    ip: z.string(),
    port: z.number(),
    kind: z.enum(["listening", "bound"]),
    process: z.object({ pid: z.number(), command: z.string() }).optional(),
  })
  .describe("a socket on a destination's port at another address");

const serverProcess = z.object({
  pid: z.number(),
  name: z.string(),
  args: z.array(z.string()),
  isStopped: z.boolean(),
  isFrozen: z.boolean().optional().describe("with its cgroup, as docker pause does"),
  // JSON has no Infinity: unlimited is null.
  nofileLimit: z.number().nullish().describe("null when unlimited"),
  openDescriptors: count.optional(),
});

const localPath = z
  .object({
    failedAtOnce: z.record(z.string(), z.number()).describe("failures that connect() itself returned, by errno"),
    routes: z
      .array(
        z.object({
          kind: z.enum(["route", "rule"]),
          type: z.enum(["blackhole", "unreachable", "prohibit", "throw"]),
          to: z.string(),
          entry: z.string(),
        }),
      )
      .optional()
      .describe("that refuse a destination; missing where they may not be read"),
    rules: z
      .array(
        z.object({
          hook: z.string(),
          table: z.string(),
          chain: z.string(),
          handle: z.number().optional(),
          verdict: z.enum(["drop", "reject", "policy drop"]),
          port: z.number().optional(),
        }),
      )
      .optional()
      .describe("of nftables, that drop or reject; missing where they may not be read"),
  })
  .describe("this host's own routes and firewall, when connections failed");
const badSource = z.object({
  ip: z.string(),
  problem: z.enum(SOURCE_PROBLEMS),
  detail: z.string().optional().describe("the interface, the setting or the errno that it is about"),
});

const shortage = z.object({
  badSources: z.array(badSource).describe("source addresses of the plan that could not be bound, the first few"),
  badSourceCount: count,
  unreachable: z.array(badSource).describe("destinations that nothing leaves the host to"),
  timeWaits: count.describe("4-tuples of the plan in TIME_WAIT when the ramp was over"),
  timeWaitFirstMs: milliseconds.describe("until the first of them ends"),
  timeWaitLastMs: milliseconds,
  closing: count.describe("4-tuples of the plan that are closed at this end and wait for the peer"),
});

const resolvedName = z.object({
  name: z.string(),
  addresses: z.array(z.string()),
  used: z.array(z.string()).describe("those that the run went to"),
  unreachable: z.array(z.string()).describe("left out: without a route, or a source address of their family"),
});

const destination = z.object({
  to: z.string(),
  established: count,
  failed: count,
  lastFailure: z.object({ phase: z.enum(PHASES), errno: z.string() }).optional(),
});
const messages = z
  .object({
    expected: z.enum(EXPECTATIONS).describe("what was compared: the same bytes, whatever came, nothing"),
    bytes: count,
    ratePerSec: z.number().min(0).describe("asked for, per connection"),
    due: count,
    sent: count,
    answered: count,
    unanswered: count,
    inFlight: count.describe(
      "sent and not waited for: younger than what the answers took, which was always about the same",
    ),
    late: count.describe("sent more than a millisecond after they were due"),
    longestDelayMs: milliseconds,
    missed: count.describe("due and never sent"),
    blocked: count.describe("due while the kernel took no more bytes of their connection"),
    movedMs: milliseconds.describe("by which standstills of the program have moved the schedule"),
    youngestUnansweredUs: microseconds
      .optional()
      .describe(
        "from here on the percentiles of the round trip are lower bounds: what is unanswered counts as late as it was",
      ),
    unaskedBytes: count.describe("received, and no message asked for them"),
    wrongBytes: count.describe("received instead of an answer"),
  })
  .describe("due = sent + missed; sent = answered + unanswered + inFlight");

export const connectSchema = z
  .object({
    kind: z.literal("connect"),
    version,
    startedAt,
    command: z.string().optional().describe("the command line; results of older versions have none"),
    host: hostDescription.optional().describe("where it ran; results of older versions have none"),
    destinations: z.array(z.string()),
    names: z.array(resolvedName).optional().describe("host names that were given; results of older versions have none"),
    byDestination: z.array(destination).optional().describe("what came of each destination, where there are 2 to 100"),
    outcome: z.enum(["met", "missed", "interrupted"]).optional().describe("results of older versions have none"),
    misses: z
      .array(
        z.object({
          kind: z.enum(MISS_KINDS),
          count,
          of: count.describe("of how many; of a threshold, what is allowed"),
        }),
      )
      .default([])
      .describe("what is missing; empty when the target is met, and in results of older versions"),
    isTargetMet: z.boolean().describe("the outcome is met"),
    thresholds: z
      .object({
        maxP99Ms: milliseconds.optional().describe("of the round trips; of connecting, without messages"),
        minRatePerSec: z.number().min(0).optional(),
        maxFailed: count.optional().describe("connections that may fail or be lost"),
      })
      .optional()
      .describe("what the caller allowed"),
    asked: count,
    established: count,
    greeted: count.optional().describe("whose first bytes came; with --close-after-greeting only"),
    peakOpen: count,
    openAtStop: count.describe("open when the closing began"),
    failed: count,
    failures,
    lost: count.describe("ended by the peer or the network while open"),
    losses: failures,
    setupMs: milliseconds,
    rampMs: milliseconds,
    rampShares: rampShares
      .optional()
      .describe("what of ours held the ramp back, as shares of its time; results of older versions have none"),
    scheduleMovedMs: milliseconds
      .optional()
      .describe("by how much the schedule moved because this process did not run"),
    gaveUp: z
      .object({ reason: z.enum(GIVE_UP_REASONS), untried: count })
      .optional()
      .describe("why the ramp was given up; connections that were not tried, or not to the end"),
    holdMs: milliseconds,
    closeMs: milliseconds,
    samples: z.array(sample).default([]).describe("the run's course; results of older versions have none"),
    ratePerSec: z.number().min(0).describe("ESTABLISHED per second of the ramp"),
    latency: z.object({ connect: latency, firstByte: latency, roundTrip: latency }),
    greetings: z
      .object({ greeted: count, ungreeted: count, awaited: count })
      .optional()
      .describe("open connections that the server greeted, has not, or not yet, where it spoke first"),
    traffic: z.object({
      sentBytes: count,
      receivedBytes: count,
      sentMessages: count,
      answeredMessages: count,
      blockedMessages: count,
      answeringConnections: count.optional().describe("over which at least one message was answered"),
    }),
    messages: messages.optional().describe("none without messages, and in results of older versions"),
    memory: z.object({
      userBytesPerConnection: z.number(),
      kernelBytesPerConnection: z.number(),
      kernelErrorPerConnection: count.optional().describe("how far that may be off, in bytes"),
      kernelEnds: z.enum(["one", "both"]),
    }),
    kernel: z
      .object({ source: z.string(), outgoing: count, incoming: count })
      .optional()
      .describe("ESTABLISHED sockets in the kernel's table while the connections were held"),
    plan: z.object({
      tuplesAvailable: count,
      tuplesSkipped: count,
      sourceAddresses: count,
      sourcePorts: z.string(),
    }),
    threads: count,
    hasPrivateTables: z.boolean(),
    nofileLimit: count,
    evidence: evidence.extend({
      lossPattern: lossPattern.optional(),
      accepting: z
        .object({ accepted: count, waiting: count, synReceived: count, isMoving: z.boolean() })
        .optional()
        .describe("the server's end when the hold ended, where something waited there to be accepted"),
      localPath: localPath.optional(),
      shortage: shortage.optional().describe("what stands behind EADDRNOTAVAIL; results of older versions have none"),
      peer: z
        .object({
          listeners: z.array(listener),
          elsewhere: z.array(elsewhere).optional(),
          process: serverProcess.optional(),
        })
        .optional(),
    }),
  })
  .meta({ title: "ConnectResult", description: "What `fourtuple connect --json` prints" });
