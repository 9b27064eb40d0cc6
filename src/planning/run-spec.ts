// Specification of a `connect` run: a plain object that survives JSON. The command line and the library create it with
// the same parser (parse-run-spec.ts). The spec can be passed to another thread, process or host.

import type { Expectation } from "../protocols/modes.js";
import type { ProxyVersion } from "../protocols/proxy-protocol/format.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { EngineChoice, TransportName } from "../results/engine.js";
import type { Thresholds } from "../results/outcome.js";
import type { Family } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import type { Stage, Turn } from "./schedule.js";
import type { TlsSpec } from "./tls.js";

/** A destination: a name or address, and one or more ports. */
export interface DestinationSpec {
  readonly host: string;
  /** Interface name or number of a link-local IPv6 address (RFC 4007). */
  readonly zone?: string | undefined;
  readonly ports: PortRange;
}

/** `count` consecutive source addresses. */
export interface SourceSpec {
  /** First address in its usual text form, such as `10.0.0.2` or `fe80::1%eth0`. */
  readonly first: string;
  readonly count: number;
}

/** The parts of a run that determine its 4-tuples. */
export interface TupleSpec {
  readonly destinations: readonly DestinationSpec[];
  /** Whether to use all addresses of a name, or only the first one that the resolver returns. */
  readonly resolve: "all" | "first";
  /** Restricts addresses to this family. */
  readonly family?: Family | undefined;
  /** Maximum number of connections open at once. */
  readonly connections: number;
  readonly sources?: readonly SourceSpec[] | undefined;
  readonly sourcePorts?: PortRange | "kernel" | undefined;
  /** Whose TCP to use: the kernel's (default), or that of this program, which works through a TUN device. */
  readonly transport?: TransportName | undefined;
  /** Whether ACKs wait for data, with transport `packet`; default false. */
  readonly delayedAck?: boolean | undefined;
  /**
   * Whether this is a single connection, which tries the destinations in order, reports what it reads, and lasts until
   * its peer closes it.
   */
  readonly isSingle: boolean;
}

/** What counts as the answer to a message. */
export interface AnswerSpec {
  readonly expect: Expectation;
  /** Delimiter that ends an answer, in base64; only with `until`. */
  readonly delimiter?: string | undefined;
  /** Length of an answer; only with `bytes`. */
  readonly answerBytes?: number | undefined;
}

/** Message sent on every connection, its rate, and what counts as an answer. */
export interface MessageSpec extends AnswerSpec {
  readonly base64: string;
  /** Rate per connection; undefined if each message follows the answer to the previous one. */
  readonly ratePerSec?: number | undefined;
}

/** The exchange that takes place once on every connection, before it is ready for messages. */
export interface OpeningSpec extends AnswerSpec {
  /** Whether to send nothing until the server has sent its greeting. */
  readonly awaitsGreeting: boolean;
  /** The first message; undefined for none. */
  readonly base64?: string | undefined;
}

/** Says how the messages of a fleet's run, at a rate, take turns with those of its other parts. */
export interface MessageTurns {
  /** Connections of the whole run, each of which has a turn of its own in every interval. */
  readonly of: number;
  /** When an interval begins, by this host's Date.now(). */
  readonly sinceMs: number;
}

/** A run of `connect`, with defaults filled in. */
export interface RunSpec extends TupleSpec {
  /** Number of connections to start per second, over all threads; default: as fast as possible. */
  readonly connectRatePerSec?: number | undefined;
  /** Consecutive ramps, each going up or down. `connections` is then the highest target. */
  readonly stages?: readonly Stage[] | undefined;
  /** Maximum number of handshakes in flight, over all threads. */
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
  /** Timeout from ESTABLISHED to ready in the protocol, and for the TLS handshake. */
  readonly handshakeTimeoutMs: number;
  /** Time to hold the connections after the ramp. */
  readonly durationMs: number | "forever";
  readonly message?: MessageSpec | undefined;
  /** Number of messages over all connections, after which the run ends; default: no limit. */
  readonly requests?: number | undefined;
  /** For HTTP with a rate or number of requests: whether connections that the server closes are reopened. */
  readonly reopens: boolean;
  readonly opening?: OpeningSpec | undefined;
  /** Protocol on the connections; default: plain TCP. */
  readonly protocol?: ProtocolSpec | undefined;
  /** TLS settings; undefined for no TLS. */
  readonly tls?: TlsSpec | undefined;
  readonly proxyProtocol?: ProxyVersion | undefined;
  readonly thresholds: Thresholds;
  readonly close: "rst" | "fin";
  readonly closeAfterGreeting: boolean;
  /** Whether to use a single descriptor table for all connections. */
  readonly oneTable: boolean;
  /** I/O engine. */
  readonly engine: EngineChoice;
  /**
   * Number of connections of the same load that are numbered before the first of this run, in protocols that number
   * their connections; default 0. The parts of a fleet's run number theirs one after another.
   */
  readonly numberedBefore?: number | undefined;
  /** Missing unless this is a part of a fleet's run. */
  readonly turn?: Turn | undefined;
  readonly messageTurns?: MessageTurns | undefined;
  /** Whether more than 1,000 connections to another host are permitted. */
  readonly authorized: boolean;
}
