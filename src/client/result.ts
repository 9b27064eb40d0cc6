// What a client's run came to: one plain object, the same for the terminal, --json and the library's caller.
import type { LatencySummary } from "../engine/latency.js";
import type { RunEvidence } from "../engine/run/evidence.js";
import type { Phase } from "../engine/worker-memory.js";
import type { HostDescription } from "../linux/proc/host.js";
import type { ResolvedName } from "../planning/plan-tuples.js";
import type { Thresholds } from "../planning/run-spec.js";
import type { Expectation } from "../protocols/modes.js";
import type { LocalPeer } from "../socket-table/listeners/peer.js";
import type { Accepting } from "./evidence/accept-watch.js";
import type { LocalPath } from "./evidence/local-path.js";
import type { PortShortage } from "./evidence/shortage.js";
import type { ClientMetrics } from "./metrics.js";
import type { GiveUpReason } from "./ramp/give-up.js";
import type { RampShares } from "./ramp/waits.js";
import type { Miss, Outcome } from "./verdict/verdict.js";

/** Failures of one kind, in words. */
export interface FailureReport {
  readonly phase: Phase;
  /** The errno's name; `FIN` where the peer closed in order, `SELF` where a connection was its own peer. */
  readonly errno: string;
  readonly count: number;
}

/** What came of the attempts to one of several destinations. */
export interface DestinationReport {
  readonly to: string;
  readonly established: number;
  readonly failed: number;
  /** Of the last attempt that failed; undefined when none did. */
  readonly lastFailure?: { readonly phase: Phase; readonly errno: string } | undefined;
}

/** Which connections were lost: the oldest, the newest, or some of all ages. */
export interface LossPattern {
  /** From ESTABLISHED until lost. */
  readonly shortestHeldMs: number;
  readonly longestHeldMs: number;
  /** Between the first and the last of those lost to be ESTABLISHED. */
  readonly openedOverMs: number;
  /** Still open when the closing began, in threads that have lost some. */
  readonly kept: number;
  /** Of these, ESTABLISHED no later than the first of those lost. */
  readonly keptOlder: number;
  /** Of these, ESTABLISHED no earlier than the last of those lost. */
  readonly keptYounger: number;
  /** How long the oldest of those still open had been ESTABLISHED by then. */
  readonly oldestKeptMs: number;
}

/** A moment of a run: our own counters, and where it is. */
export interface ConnectSnapshot extends ClientMetrics {
  readonly elapsedMs: number;
  /** `drain`: no more messages are sent, and the answers on their way are waited for. */
  readonly stage: "ramp" | "hold" | "drain" | "close" | "closed";
  readonly asked: number;
  readonly wanted: number;
  /** Until the end of the hold, when that is known. */
  readonly leftMs: number | undefined;
}

/** A moment in a finished run's course; the numbers are our own counters. */
export interface RunSample {
  /** Since the run's start, threads included. */
  readonly elapsedMs: number;
  readonly open: number;
  /** ESTABLISHED until now, those that are closed again included. */
  readonly established: number;
  readonly failed: number;
}

/** What became of a run's messages. due = sent + missed; sent = answered + unanswered + in flight. */
export interface MessageResult {
  /** What was compared: `echo`, the same bytes to the last one; `any`, whatever came; `none`, nothing. */
  readonly expected: Expectation;
  readonly bytes: number;
  /** Asked for, per connection. */
  readonly ratePerSec: number;
  /** Whose moment came while their connection was open. */
  readonly due: number;
  readonly sent: number;
  readonly answered: number;
  /** Sent and not answered a second after the last one was sent, or when their connection was lost. */
  readonly unanswered: number;
  /**
   * Sent and not waited for: the answers that came all took about the same time, and these are younger; or the schedule closed
   * their connection.
   */
  readonly inFlight: number;
  /** Sent more than a millisecond after they were due. */
  readonly late: number;
  readonly longestDelayMs: number;
  /** Due and never sent to their end. */
  readonly missed: number;
  /** Due while the kernel took no more bytes of their connection: its peer did not read. */
  readonly blocked: number;
  /** By how much standstills of this program have moved the schedule: what they delayed is not caught up, but late by that. */
  readonly movedMs: number;
  /** How late the youngest of those missed and unanswered was at the end; from here on the round trip's percentiles are lower bounds. */
  readonly youngestUnansweredUs: number | undefined;
  /** Received bytes that no message asked for: greetings, pushes, echoes too many. */
  readonly unaskedBytes: number;
  /** Received bytes that came instead of an answer. */
  readonly wrongBytes: number;
}

export interface ConnectResult {
  readonly kind: "connect";
  readonly version: 1;
  readonly startedAt: string;
  /** The command line that asked for it; undefined for the library's callers and in results of older versions. */
  readonly command?: string | undefined;
  /** Where it ran; undefined in results of older versions. */
  readonly host?: HostDescription | undefined;
  readonly destinations: readonly string[];
  /** The host names among what was given; undefined in results of older versions. */
  readonly names?: readonly ResolvedName[] | undefined;
  /**
   * What came of each destination, in their order, where there are 2 to 100; otherwise undefined. Attempts of a single connection
   * that went on to the name's next address are counted here only.
   */
  readonly byDestination?: readonly DestinationReport[] | undefined;
  /** Whether the run came to what was asked; undefined in results of older versions. */
  readonly outcome?: Outcome | undefined;
  /** What is missing: empty when the target is met; none in results of older versions. */
  readonly misses: readonly Miss[];
  /** The outcome is `met`: every connection asked for was ESTABLISHED and held, at both ends where both can be seen. */
  readonly isTargetMet: boolean;
  /** What the caller allowed, where it did. */
  readonly thresholds?: Thresholds | undefined;
  readonly asked: number;
  readonly established: number;
  /** Connections whose first bytes came, as `closeAfterGreeting` waits for them; undefined without it, and in older results. */
  readonly greeted?: number | undefined;
  readonly peakOpen: number;
  /** Open when the closing began. */
  readonly openAtStop: number;
  readonly failed: number;
  readonly failures: readonly FailureReport[];
  /** Ended by the peer or the network while open. */
  readonly lost: number;
  readonly losses: readonly FailureReport[];
  /** From the start to the first connect(): threads. */
  readonly setupMs: number;
  /** From the first connect() until the last connection had settled. */
  readonly rampMs: number;
  /**
   * What of ours held the ramp back, as shares of its time from 0 to 1, over all threads: the `window` of handshakes in flight
   * (`concurrency`), waiting for `greetings` in it, too few `descriptors`, our `cpu`, the `pace` that was asked for. What is low in all
   * of them was the peer's or the network's time. undefined in results of older versions.
   */
  readonly rampShares?: RampShares | undefined;
  /** By how much the schedule moved because this process did not run, as when it was stopped; none in results of older versions. */
  readonly scheduleMovedMs?: number | undefined;
  /** Why the ramp was given up, with so many connections not tried, or not to the end. */
  readonly gaveUp?: { readonly reason: GiveUpReason; readonly untried: number } | undefined;
  readonly holdMs: number;
  /** The wait for answers on their way included. */
  readonly closeMs: number;
  /** The run's course from its start to its end, at most some 600 points; none in results of older versions. */
  readonly samples: readonly RunSample[];
  /** ESTABLISHED per second of the ramp. */
  readonly ratePerSec: number;
  readonly latency: {
    readonly connect: LatencySummary;
    readonly firstByte: LatencySummary;
    /** Of every message that was due, when an answer was expected: those without one count as late as they were at the end. */
    readonly roundTrip: LatencySummary;
  };
  /**
   * Open connections that had heard nothing of the server when the closing began, where it had spoken first to others; undefined
   * where it spoke to none, where messages ask it to, and in results of older versions.
   */
  readonly greetings?:
    | {
        readonly greeted: number;
        /** For longer than a second, and twice as long as any greeting took. */
        readonly ungreeted: number;
        /** For not so long. */
        readonly awaited: number;
      }
    | undefined;
  /** undefined without messages, and in results of older versions. */
  readonly messages?: MessageResult | undefined;
  readonly traffic: {
    readonly sentBytes: number;
    readonly receivedBytes: number;
    readonly sentMessages: number;
    readonly answeredMessages: number;
    readonly blockedMessages: number;
    /** Connections over which at least one message was answered; not in results of older versions. */
    readonly answeringConnections: number | undefined;
  };
  readonly memory: {
    readonly userBytesPerConnection: number;
    readonly kernelBytesPerConnection: number;
    /** How far that may be off: others' memory is in it. Undefined where too little was read to tell, and in older results. */
    readonly kernelErrorPerConnection?: number | undefined;
    /** `both` when the other end is on this host too and its kernel memory is counted in. */
    readonly kernelEnds: "one" | "both";
  };
  /** What the kernel's socket table shows while the connections are held. */
  readonly kernel:
    | {
        readonly source: string;
        /** ESTABLISHED sockets towards the destination ports. */
        readonly outgoing: number;
        /** ESTABLISHED sockets on the destination ports as their local ports; 0 when the server is elsewhere. */
        readonly incoming: number;
      }
    | undefined;
  readonly plan: {
    readonly tuplesAvailable: number;
    readonly tuplesSkipped: number;
    readonly sourceAddresses: number;
    readonly sourcePorts: "kernel" | string;
  };
  readonly threads: number;
  readonly hasPrivateTables: boolean;
  readonly nofileLimit: number;
  /** What the kernel says about the run: explainRun() reads it. */
  readonly evidence: RunEvidence & {
    /** The server's side at the end of the hold, where it is on this host and the target was missed. */
    readonly peer: LocalPeer | undefined;
    /** What waited at the server's end when the hold ended; undefined where nothing did, or where it cannot be seen. */
    readonly accepting?: Accepting | undefined;
    /** What this host's own routes and firewall do with the run's packets; undefined when nothing failed, and in older results. */
    readonly localPath?: LocalPath | undefined;
    /** What stands behind EADDRNOTAVAIL; undefined where neither bind() nor connect() said so, and in results of older versions. */
    readonly shortage?: PortShortage | undefined;
    /** undefined when none was lost. */
    readonly lossPattern: LossPattern | undefined;
  };
}
