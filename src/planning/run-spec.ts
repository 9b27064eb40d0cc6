// What `connect` is to do, as one plain object that goes through JSON unchanged. The command line and the library make it with the
// same parser (parse-run-spec.ts); whoever has one can hand it to another thread, process or machine.

import type { Expectation } from "../protocols/modes.js";
import type { ProxyVersion } from "../protocols/proxy-protocol.js";
import type { ProtocolSpec } from "../protocols/spec/spec.js";
import type { Thresholds } from "../results/connect.js";
import type { EngineChoice } from "../results/engine.js";
import type { Family } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import type { Stage } from "./schedule.js";
import type { TlsSpec } from "./tls.js";

/** Where connections go: a name or an address, and each of these ports. */
export interface DestinationSpec {
  readonly host: string;
  /** Of a link-local IPv6 address (RFC 4007): the interface, by name or number. */
  readonly zone?: string | undefined;
  readonly ports: PortRange;
}

/** `count` source addresses that follow each other. */
export interface SourceSpec {
  /** The first of them in its usual text form, such as `10.0.0.2` or `fe80::1%eth0`. */
  readonly first: string;
  readonly count: number;
}

/** What of a run decides which 4-tuples it has. */
export interface TupleSpec {
  readonly destinations: readonly DestinationSpec[];
  /** Of a name's addresses all, or the resolver's first. */
  readonly resolve: "all" | "first";
  /** Only addresses of this family. */
  readonly family?: Family | undefined;
  /** The most connections that are wanted at once. */
  readonly connections: number;
  readonly sources?: readonly SourceSpec[] | undefined;
  readonly sourcePorts?: PortRange | "kernel" | undefined;
  /** One connection, which tries the destinations in their order, tells what it reads and ends with its peer. */
  readonly isSingle: boolean;
}

/** What is sent over every connection, how often, and what answers it. */
export interface MessageSpec {
  readonly base64: string;
  /** Per connection. */
  readonly ratePerSec: number;
  readonly expect: Expectation;
}

/** A run of `connect`, with every default filled in. */
export interface RunSpec extends TupleSpec {
  /** Connections to begin per second, over all threads; as fast as they go unless given. */
  readonly connectRatePerSec?: number | undefined;
  /** Ramps one after the other, up or down; then `connections` is the highest target. */
  readonly stages?: readonly Stage[] | undefined;
  /** Handshakes in flight at once, over all threads. */
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
  /** From ESTABLISHED to ready in the protocol, where that has a handshake, and for that of TLS. */
  readonly handshakeTimeoutMs: number;
  /** How long to hold the connections after the ramp. */
  readonly durationMs: number | "forever";
  readonly message?: MessageSpec | undefined;
  /** What is spoken over the connections; plain TCP unless given. */
  readonly protocol?: ProtocolSpec | undefined;
  /** Connections are over TLS; else in the clear. */
  readonly tls?: TlsSpec | undefined;
  readonly proxyProtocol?: ProxyVersion | undefined;
  readonly thresholds: Thresholds;
  readonly close: "rst" | "fin";
  readonly closeAfterGreeting: boolean;
  /** One descriptor table for all connections. */
  readonly oneTable: boolean;
  /** What carries the connections. */
  readonly engine: EngineChoice;
  /** More than 1,000 connections to another host are allowed. */
  readonly authorized: boolean;
}
