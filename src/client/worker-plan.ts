// Shared declarations of the main thread and the client workers: the plan, the shared words and the messages.
import type { ScriptPlan } from "../engine/script/run.js";
import type { MessageTurns } from "../planning/run-spec.js";
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { PublishedPlan } from "../protocols/mqtt/published.js";
import type { TimedMessageOptions } from "../protocols/plain-tcp.js";
import type { ProxyVersion } from "../protocols/proxy-protocol/format.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { Opening } from "../protocols/timed-message.js";
import type { EngineName } from "../results/engine.js";
import type { PacketClientPlan } from "../transport/contract.js";
import type { TlsPlan } from "./tls/plan.js";

/** Message sent over every connection, and the expected answer. */
export interface MessagePlan extends TimedMessageOptions {
  /** Interval of a connection's messages; undefined if each follows the answer to the previous one. */
  readonly intervalMs: number | undefined;
  /** Number of messages over all connections; undefined for no limit. */
  readonly total: number | undefined;
  /** With the number of connections before the first of this run; undefined if it is not a part of another. */
  readonly turns: (MessageTurns & { readonly before: number }) | undefined;
}

/** The exchange that makes a connection ready for messages, and the expected answer to its first message. */
export interface OpeningPlan extends Opening, Omit<TimedMessageOptions, "bytes"> {}

/** Everything a client worker needs to know, as plain data. */
export interface ConnectPlan {
  readonly tuples: TuplePlan;
  readonly engine: EngineName;
  /** The worker's TUN device and its own `tuples`; undefined for kernel sockets. */
  readonly packet: PacketClientPlan | undefined;
  /** Whether epoll replaces io_uring if its memory cannot be locked. */
  readonly fallsBack: boolean;
  /** Maximum number of connections this worker opens. */
  readonly share: number;
  /**
   * Number of connections of the run, and number of connections opened by the workers before this one. They share
   * the messages.
   */
  readonly connections: number;
  readonly earlier: number;
  /** True if connections that the server closes are opened again for their next message. */
  readonly reopens: boolean;
  /** Minimum time between two reopened connections in this worker; 0 for none. */
  readonly reopenIntervalMs: number;
  /** True if tuples may be reused because the run closes connections and opens others. */
  readonly reusesTuples: boolean;
  /** Maximum number of in-flight connections in this worker. */
  readonly window: number;
  readonly connectTimeoutMs: number;
  /** Timeout for the TLS handshake, and for the protocol handshake from ESTABLISHED to ready. */
  readonly handshakeTimeoutMs: number;
  /** Size of one descriptor table (RLIMIT_NOFILE). */
  readonly tableSize: number;
  /** True if connections may be parked when the descriptor table is full. */
  readonly parks: boolean;
  /** Maximum number of connections that this worker watches with epoll. */
  readonly watches: number;
  /** Close with RST. */
  readonly reset: boolean;
  /** Whether to close each connection once its first bytes have arrived. */
  readonly closesGreeted: boolean;
  /** Number of destinations that a single connection tries in order before the attempt counts as failed. */
  readonly tries: number;
  /** Memory for DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
  readonly message: MessagePlan | undefined;
  readonly opening: OpeningPlan | undefined;
  /** Application protocol; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** MQTT: undefined if the run's connections do not subscribe to what they publish. */
  readonly published: PublishedPlan | undefined;
  /** What a script needs; undefined for other protocols. */
  readonly script: ScriptPlan | undefined;
  /** Undefined without TLS. */
  readonly tls: TlsPlan | undefined;
  /** Version of the PROXY protocol header sent first over each connection. */
  readonly proxyProtocol: ProxyVersion | undefined;
  /** Words shared by all workers; see SHARED. */
  readonly shared: SharedArrayBuffer;
}

/** Indices of the words that all client workers share. */
export const SHARED = {
  /** First tuple of the plan that no worker has taken yet. */
  cursor: 0,
  /** 1 while the peer is known to speak first; a connection is then in flight until its first byte. */
  peerGreets: 1,
  /** Number of times that the client waited for a greeting in vain. */
  lateGreetings: 4,
  /** Set at the end: longest time to a first byte in milliseconds, rounded up; 0 if no byte arrived. */
  longestFirstByteMs: 5,
  /** Number of memory blocks in use by all workers for bytes that peers have not taken. */
  unsentBlocks: 6,
  /** Set at the end: messages younger than this many milliseconds count as in flight rather than unanswered. */
  answerGraceMs: 7,
  /** Number of connections that protocols have numbered so far. */
  numbered: 8,
  /** Set at the end: published messages younger than this many milliseconds may still be on their way. */
  deliveryGraceMs: 9,
  words: 10,
} as const;

export type ConnectMessage =
  /** Sent when the thread has started and is ready to open connections. */
  | { readonly type: "ready"; readonly hasFallenBack: boolean }
  /** Sent for a single connection only. */
  | { readonly type: "opened"; readonly ip: string; readonly port: number }
  | { readonly type: "received"; readonly text: string }
  /** Every connection requested from this worker so far has succeeded or failed. */
  | { readonly type: "resolved" };
