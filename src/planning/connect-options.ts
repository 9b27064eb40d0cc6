// Public options of connect().
import type { ProxyVersion } from "../protocols/proxy-protocol/format.js";
import type { ProtocolOptions, ServerOnly } from "../protocols/spec/options.js";
import type { EngineChoice, TransportName } from "../results/engine.js";
import type { AddressRange } from "../util/address-range.js";
import type { PortRange } from "../util/endpoint.js";
import type { MessageOptions } from "./messages.js";
import type { Stage } from "./schedule.js";
import type { ClientTlsOptions } from "./tls.js";

export interface ConnectOptions extends MessageOptions, Omit<ProtocolOptions, ServerOnly>, ClientTlsOptions {
  /**
   * Destinations: `host:port`, `[::1]:7777`, `host:7777-7786`, `:7777` for 127.0.0.1; `tls://host:port`,
   * `ws://host:port/path` for WebSocket, `wss://` for both, `mqtt://host`, `mqtts://host`. All destinations must use
   * the same protocol.
   */
  readonly to: string | readonly string[];
  /**
   * Whether to use all addresses of a host name in turn, or only the first one that the resolver returns; default
   * `all`. A single connection tries the addresses in order.
   */
  readonly resolve?: "first" | "all" | undefined;
  /** Restricts the run to addresses of this family. */
  readonly family?: 4 | 6 | undefined;
  /** Number of connections; default 1. */
  readonly connections?: number | undefined;
  /** Number of connections to start per second, over all threads; by default, as fast as possible. */
  readonly connectRatePerSec?: number | undefined;
  /** Consecutive ramps, each going up or down. Replaces `connections` and `connectRatePerSec`. */
  readonly stages?: readonly Stage[] | undefined;
  /** Maximum number of handshakes in flight, over all threads; default 1,024. */
  readonly concurrency?: number | undefined;
  /** Handshake timeout; default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /**
   * Time to hold the connections after the ramp; default 10,000, or for a single connection, until the peer closes it.
   */
  readonly durationMs?: number | undefined;
  /**
   * Source addresses; default on loopback: as many of 127.0.0.0/8 as needed; otherwise those of the interface that
   * reaches the destination.
   */
  readonly sources?: SourceOption | undefined;
  /**
   * Source ports to choose from, or `kernel` to let the kernel choose; default 1024-65535, or for a single connection,
   * `kernel`.
   */
  readonly sourcePorts?: SourcePortOption | undefined;
  /**
   * Version of the PROXY protocol header to send first over each connection, with the connection's own addresses; by
   * default, none is sent.
   */
  readonly proxyProtocol?: ProxyVersion | undefined;
  /**
   * Maximum 99th percentile of the round-trip time or, without messages, of the connect latency. If the percentile
   * exceeds this limit, the run misses its target.
   */
  readonly maxP99Ms?: number | undefined;
  /**
   * Minimum rate of connections ESTABLISHED per second. If the rate is below this limit, the run misses its target.
   */
  readonly minRatePerSec?: number | undefined;
  /** Number or percentage (`"1%"`) of connections that may fail or be lost; default none. */
  readonly maxFailed?: number | string | undefined;
  /** How to close connections; default `rst` above 1,000 connections, to avoid TIME_WAIT. */
  readonly close?: "rst" | "fin" | undefined;
  /**
   * Whether to close each connection after its greeting, so that all `connections` are opened and closed in turn. At
   * most `concurrency` connections are open at once, plus those that receive no greeting within a second and stay
   * open. Default false.
   */
  readonly closeAfterGreeting?: boolean | undefined;
  /**
   * Whether to use a single descriptor table for all connections, like an ordinary program, so that the open-file
   * limit applies. By default, as many tables are used as needed.
   */
  readonly oneTable?: boolean | undefined;
  /** I/O engine: `epoll`, `uring` (io_uring), or `auto` for the best one for the run and the host; default `auto`. */
  readonly engine?: EngineChoice | undefined;
  /**
   * Whose TCP to use: `kernel` (the default), or `packet` for the TCP of this program, which works through a TUN
   * device. The latter needs `sources` that belong to no host, and CAP_NET_ADMIN, but no kernel socket for any
   * connection.
   */
  readonly transport?: TransportName | undefined;
  /**
   * With transport `packet`: lets an ACK wait up to 40 ms for data that carries it, or for a second segment. Default
   * false: each segment is acknowledged at once.
   */
  readonly delayedAck?: boolean | undefined;
  /**
   * With transport `packet`: makes the changes to this host without which packets cannot get to other hosts and back,
   * and reverts them at the end of the run. Without it, such a run is refused.
   */
  readonly apply?: boolean | undefined;
  /** Journal of the changes; default: the one of `fourtuple doctor`. */
  readonly journal?: string | undefined;
  /** Confirms that you are authorized to open more than 1,000 connections to another host. */
  readonly authorized?: boolean | undefined;
  /** Aborting this signal stops the run, like stop(). */
  readonly signal?: AbortSignal | undefined;
}

/** `"127.0.0.2"`, `"10.0.0.1-10.0.0.20,10.1.0.0/24"`, an array of these, or the result of parseAddressRanges(). */
export type SourceOption = string | readonly (AddressRange | string)[];
/** `"1024-65535"`, the same as numbers, or `"kernel"`. */
export type SourcePortOption = PortRange | "kernel" | string;
