// What the main thread and the client's workers agree on: the plan, the words that all share, the messages.
import type { TuplePlan } from "../planning/tuple-plan.js";
import type { Expectation } from "../protocols/modes.js";
import type { ProxyVersion } from "../protocols/proxy-protocol.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineName } from "../results/engine.js";
import type { TlsPlan } from "./securing.js";

/** What is sent over every connection, how often, and what answers it. */
export interface MessagePlan {
  readonly bytes: Uint8Array;
  readonly intervalMs: number;
  readonly expected: Expectation;
}

/** Everything a client worker needs to know; plain data. */
export interface ConnectPlan {
  readonly tuples: TuplePlan;
  readonly engine: EngineName;
  /** How many connections this worker is to open at most. */
  readonly share: number;
  /** Tuples may be used a second time: the schedule closes connections and opens others. */
  readonly reusesTuples: boolean;
  /** Connections that may be in flight in this worker. */
  readonly window: number;
  readonly connectTimeoutMs: number;
  /** From ESTABLISHED to ready in the protocol, where that has a handshake, and for that of TLS. */
  readonly handshakeTimeoutMs: number;
  /** Descriptors in one table. */
  readonly tableSize: number;
  /** Connections may be parked when the descriptor table is full. */
  readonly parks: boolean;
  /** Close with RST. */
  readonly reset: boolean;
  /** Close each connection when its first bytes have come. */
  readonly closesGreeted: boolean;
  /** How many destinations a single connection tries in their order, before the attempt counts as failed. */
  readonly tries: number;
  /** DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
  readonly message: MessagePlan | undefined;
  /** What is spoken over the connections; undefined for plain TCP. */
  readonly protocol: ProtocolSpec | undefined;
  /** undefined for connections in the clear. */
  readonly tls: TlsPlan | undefined;
  /** Each connection begins with this version of the PROXY protocol's header. */
  readonly proxyProtocol: ProxyVersion | undefined;
  /** Words shared by all workers, see SHARED. */
  readonly shared: SharedArrayBuffer;
}

/** Words that all client workers share. */
export const SHARED = {
  /** The next tuple of the plan that nobody has taken. */
  cursor: 0,
  /** 1 while the peer is known to speak first: then a connection is in flight until its first byte. */
  peerGreets: 1,
  /** How often connections waited in vain for a greeting. */
  lateGreetings: 4,
  /** At the end: the longest that a first byte has taken, in milliseconds, at least 1; 0 where none has come. */
  longestFirstByteMs: 5,
  /** Chunks of memory that hold bytes which no peer has taken, of all workers. */
  unsentChunks: 6,
  /** At the end: messages younger than so many milliseconds are not waited for, and no failure of the peer's. */
  answerGraceMs: 7,
  words: 8,
} as const;

export type ConnectMessage =
  /** The thread is up: it opens what it is told to. */
  | { readonly type: "ready" }
  /** Of a single connection. */
  | { readonly type: "opened"; readonly ip: string; readonly port: number }
  | { readonly type: "received"; readonly text: string }
  /** Everything asked of this worker so far has been tried and has settled. */
  | { readonly type: "settled" };
