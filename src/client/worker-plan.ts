// What the main thread and the client's shards agree on: the plan, the counters' places, the messages.
import type { RecordableHistogram } from "node:perf_hooks";
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { Expectation } from "../protocols/modes.js";
import type { ProxyVersion } from "../protocols/proxy-protocol.js";

/** What is sent over every connection, how often, and what answers it. */
export interface MessagePlan {
  readonly bytes: Uint8Array;
  readonly intervalMs: number;
  readonly expected: Expectation;
}

/** Everything a client shard needs to know; plain data. */
export interface ConnectPlan {
  readonly tuples: TuplePlan;
  /** How many connections this shard is to open at most. */
  readonly share: number;
  /** Tuples may be used a second time: the schedule closes connections and opens others. */
  readonly reusesTuples: boolean;
  /** Connections that may be in flight in this shard. */
  readonly window: number;
  readonly connectTimeoutMs: number;
  /** Descriptors in one table. */
  readonly tableSize: number;
  /** Connections may be parked when the descriptor table is full. */
  readonly parks: boolean;
  /** Close with RST. */
  readonly reset: boolean;
  /** Close each connection when its first bytes have come. */
  readonly closesGreeted: boolean;
  /** Tell of each opening and reading, as the article's client prints them. */
  readonly narrates: boolean;
  /** How many destinations are tried in their order, before an attempt counts as failed. */
  readonly tries: number;
  /** A DestinationTally; undefined for a single destination. */
  readonly tally: SharedArrayBuffer | undefined;
  readonly message: MessagePlan | undefined;
  /** Each connection begins with this version of the PROXY protocol's header. */
  readonly proxyProtocol: ProxyVersion | undefined;
  /** Words shared by all shards, see SHARED. */
  readonly shared: SharedArrayBuffer;
  readonly histograms: ConnectHistograms;
}

export interface ConnectHistograms {
  readonly connect: RecordableHistogram;
  readonly firstByte: RecordableHistogram;
  readonly roundTrip: RecordableHistogram;
}

/** Counted in place of an errno for a connection that has met itself: no errno is 0. */
export const SELF = 0;

/** Words that all client shards share. */
export const SHARED = {
  /** The next tuple of the plan that nobody has taken. */
  cursor: 0,
  /** 1 while the peer is known to speak first: then a connection is in flight until its first byte. */
  peerGreets: 1,
  /** How often connections waited in vain for a greeting. */
  lateGreetings: 4,
  /** At the end: messages younger than so many milliseconds are not waited for, and no failure of the peer's. */
  answerPatienceMs: 7,
  words: 8,
} as const;

/** Places in a client shard's counters. */
export const COUNTER = {
  /** Connections begun; those whose tuple was taken are not among them. */
  started: 0,
  established: 1,
  failed: 2,
  inFlight: 3,
  open: 4,
  /** Ended by the peer or the network while open. */
  lost: 5,
  /** Closed by us to follow a schedule downwards. */
  retired: 6,
  skippedTuples: 7,
  sentBytes: 8,
  receivedBytes: 9,
  sentMessages: 10,
  answeredMessages: 11,
  /** Messages that were due while the kernel took no more bytes: they are sent when it does. */
  blockedMessages: 12,
  /** When the shard began its first connection, in milliseconds since the epoch; 0 before. */
  firstBegunAt: 13,
  /** When it last had nothing more to open and nothing in flight, likewise. */
  lastSettledAt: 14,
  /** The shortest and the longest time between ESTABLISHED and lost, in milliseconds; valid once one was lost. */
  shortestHeldMs: 15,
  longestHeldMs: 16,
  /** When the first and the last of those lost were ESTABLISHED, by the shard's own clock; 0 while none was lost. */
  firstLostAt: 17,
  lastLostAt: 18,
  /** Counted when the closing begins, in a shard that has lost some: open, and ESTABLISHED no later than the first of those lost… */
  keptOlder: 19,
  /** …and no earlier than the last of them. */
  keptYounger: 20,
  /** All that are open then. */
  kept: 21,
  /** How long the oldest of them has been ESTABLISHED. */
  oldestKeptMs: 22,
  /** Connections over which at least one message was answered. */
  answeringConnections: 23,
  /** Messages without an answer when their connection ended. */
  abandonedMessages: 24,
  /** 1 once the shard sends no more messages (CONTROL.paused). */
  isPaused: 25,
  /** Connections whose first byte has come. */
  greeted: 40,
  /** How long the ramp has lasted in this shard, and of that for what it waited, see RampTimes. */
  rampedMs: 41,
  windowMs: 42,
  greetingMs: 43,
  descriptorMs: 44,
  busyMs: 45,
  paceMs: 46,
  /** Counted when the closing begins, where the peer speaks first: open without a byte, for longer than any greeting took… */
  ungreeted: 47,
  /** …and not for so long. */
  awaitingGreeting: 48,
  /** Messages whose moment came while their connection was open: due = sent + missed. */
  dueMessages: 52,
  /** Sent later than a millisecond after they were due, and the longest such delay. */
  lateMessages: 53,
  longestDelayMs: 54,
  /** Due and never sent to their end. */
  missedMessages: 55,
  /** Sent and not answered (unansweredMessages), or not yet and no failure (inFlightMessages): counted when it is over. */
  unansweredMessages: 56,
  inFlightMessages: 57,
  /** Of those unanswered, over connections that were lost. */
  unansweredOfLost: 58,
  /** How late the youngest of those without an answer is, in microseconds; 0 when there is none. */
  youngestUnansweredUs: 59,
  /** Bytes that no message asked for, and that came instead of an answer. */
  unaskedBytes: 60,
  wrongBytes: 61,
  /** By how much standstills of this thread have moved the schedule of its messages. */
  movedMs: 62,
  /** The number of the last tuple whose source address could not be bound (EADDRNOTAVAIL), and one; 0 while there was none. */
  unboundTuple: 38,
} as const;

export type ConnectMessage =
  /** The thread is up: it opens what it is told to. */
  | { readonly type: "ready" }
  | { readonly type: "opened"; readonly ip: string; readonly port: number }
  | { readonly type: "received"; readonly text: string }
  /** Everything asked of this shard so far has been tried and has settled. */
  | { readonly type: "settled" };
