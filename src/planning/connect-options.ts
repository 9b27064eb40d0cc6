// What a caller may ask of connect(): the public options.
import type { Expectation } from "../protocols/modes.js";
import type { ProxyVersion } from "../protocols/proxy-protocol.js";
import type { ProtocolOptions } from "../protocols/spec/options.js";
import type { EngineChoice } from "../results/engine.js";
import type { AddressRange } from "../util/address-range.js";
import type { PortRange } from "../util/endpoint.js";
import type { Stage } from "./schedule.js";
import type { ClientTlsOptions } from "./tls.js";

export interface ConnectOptions extends ProtocolOptions, ClientTlsOptions {
  /**
   * Where to: `host:port`, `[::1]:7777`, `host:7777-7786`, `:7777` for 127.0.0.1; `tls://host:port`, `ws://host:port/path` for WebSocket, `wss://` for both. Several
   * destinations speak the same protocol.
   */
  readonly to: string | readonly string[];
  /** Of a host name's addresses all, which take turns, or the resolver's first; default `all`. A single connection tries them in order. */
  readonly resolve?: "first" | "all" | undefined;
  /** Only addresses of this family: a name's others are left out. */
  readonly family?: 4 | 6 | undefined;
  /** How many connections; default 1. */
  readonly connections?: number | undefined;
  /** Connections to begin per second, over all threads; default as fast as they go. */
  readonly connectRatePerSec?: number | undefined;
  /** Ramps one after the other, up or down; instead of `connections` and `connectRatePerSec`. */
  readonly stages?: readonly Stage[] | undefined;
  /** Handshakes in flight at once, over all threads; default 1,024. */
  readonly concurrency?: number | undefined;
  /** Until a handshake counts as failed; default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** How long to hold the connections after the ramp; default 10,000, or until the peer closes for a single one. */
  readonly durationMs?: number | undefined;
  /** Source addresses; default 127.0.0.0/8 as needed on loopback, elsewhere those of the interface that reaches the destination. */
  readonly sources?: SourceOption | undefined;
  /** Source ports that we walk ourselves, or the kernel's choice; default 1024-65535, for a single connection the kernel's. */
  readonly sourcePorts?: SourcePortOption | undefined;
  /** Sent over every connection. */
  readonly message?: string | Uint8Array | undefined;
  /** Messages per connection and second, fractions allowed; default 1. */
  readonly messageRatePerSec?: number | undefined;
  /**
   * What answers a message: `echo`, the same bytes; `any`, whatever comes; `none` for a peer that answers nothing. Default `echo`:
   * a run whose messages stay unanswered has missed its target.
   */
  readonly expect?: Expectation | undefined;
  /** Send this version of the PROXY protocol's header first, with each connection's own addresses; default none. */
  readonly proxyProtocol?: ProxyVersion | undefined;
  /** The target is missed when the 99th percentile of the round trips, without messages of connecting, is above. */
  readonly maxP99Ms?: number | undefined;
  /** The target is missed when fewer connections a second were ESTABLISHED. */
  readonly minRatePerSec?: number | undefined;
  /** So many connections, or such a share of them (`"1%"`), may fail or be lost; default none. */
  readonly maxFailed?: number | string | undefined;
  /** How to close: default `rst` above 1,000 connections, so that no TIME_WAIT stays. */
  readonly close?: "rst" | "fin" | undefined;
  /**
   * Close each connection as soon as its greeting has come, so that `connections` come and go rather than stay: at most
   * `concurrency` are there at once, beside those that no greeting comes to within a second: these stay. Default false.
   */
  readonly closeAfterGreeting?: boolean | undefined;
  /**
   * One descriptor table for all connections, as ordinary programs have it: then the limit of open files bounds them. Default:
   * as many tables as it takes.
   */
  readonly oneTable?: boolean | undefined;
  /** What carries the connections: `epoll`, `uring` (io_uring), or what suits the run and the host best; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /** Confirms the right to open more than 1,000 connections to an address that is not this machine's. */
  readonly authorized?: boolean | undefined;
  /** Ends the run, as stop() does. */
  readonly signal?: AbortSignal | undefined;
}

/** `"127.0.0.2"`, `"10.0.0.1-10.0.0.20,10.1.0.0/24"`, a list of such, or what parseAddressRanges() returns. */
export type SourceOption = string | readonly (AddressRange | string)[];
/** `"1024-65535"`, the same as numbers, or `"kernel"`. */
export type SourcePortOption = PortRange | "kernel" | string;
