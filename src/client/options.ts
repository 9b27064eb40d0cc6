// What a caller may ask of connect(), and what that means when something is not said.

import { MANY } from "../engine/stopping.js";
import { type Schedule, type Stage, stagedSchedule, steadySchedule } from "../planning/schedule.js";
import { EXPECTATIONS, type Expectation } from "../protocols/modes.js";
import { PROXY_VERSIONS, type ProxyVersion } from "../protocols/proxy-protocol.js";
import { type AddressRange, type PortRange, parseAddressRanges, parsePorts, unmapIp } from "../util/address.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { formatCount } from "../util/units.js";
import { allowedFailures } from "./verdict/thresholds.js";
import type { Thresholds } from "./verdict/verdict.js";
import type { MessagePlan } from "./worker-plan.js";

export interface ConnectOptions {
  /** Where to: `host:port`, `[::1]:7777`, `host:7777-7786`, `:7777` for 127.0.0.1. */
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
  /** Confirms the right to open more than 1,000 connections to an address that is not this machine's. */
  readonly authorized?: boolean | undefined;
  /** Ends the run, as stop() does. */
  readonly signal?: AbortSignal | undefined;
}

/** `"127.0.0.2"`, `"10.0.0.1-10.0.0.20,10.1.0.0/24"`, a list of such, or what parseAddressRanges() returns. */
export type SourceOption = string | readonly (AddressRange | string)[];
/** `"1024-65535"`, the same as numbers, or `"kernel"`. */
export type SourcePortOption = PortRange | "kernel" | string;

/** Options with every default filled in. */
export interface ConnectSettings {
  readonly to: readonly string[];
  readonly resolve: "first" | "all";
  readonly family: 4 | 6 | undefined;
  readonly connections: number;
  readonly schedule: Schedule;
  readonly isPaced: boolean;
  /** The schedule may go down, too: what is open at the end is not what was asked for. */
  readonly isStaged: boolean;
  readonly concurrency: number;
  readonly connectTimeoutMs: number;
  readonly durationMs: number;
  readonly sources: readonly AddressRange[] | undefined;
  readonly sourcePorts: PortRange | "kernel" | undefined;
  readonly message: MessagePlan | undefined;
  readonly proxyProtocol: ProxyVersion | undefined;
  readonly thresholds: Thresholds;
  readonly reset: boolean;
  readonly closesGreeted: boolean;
  readonly oneTable: boolean;
  readonly authorized: boolean;
  /** One connection, as the article's client: it tells what it reads and ends with its peer. */
  readonly isSingle: boolean;
}

const CONCURRENCY = 1024;
const CONNECT_TIMEOUT_MS = 10_000;
const HOLD_MS = 10_000;

/** @throws {AppError} E_OPTION when an option makes no sense, alone or beside another */
export function settleOptions(options: ConnectOptions): ConnectSettings {
  const to = typeof options.to === "string" ? [options.to] : options.to;
  if (to.length === 0) throw option("no destination is given", "name one, such as 127.0.0.1:7777");
  const stages = options.stages ?? [];
  if (stages.length > 0 && (options.connections !== undefined || options.connectRatePerSec !== undefined)) {
    throw option("stages go without connections and connect rate", "leave out -c and --connect-rate, or --stage");
  }
  positive("connections", options.connections, true);
  positive("connect rate", options.connectRatePerSec);
  positive("concurrency", options.concurrency, true);
  positive("connect timeout", options.connectTimeoutMs);
  positive("message rate", options.messageRatePerSec);
  positive("a 99th percentile", options.maxP99Ms);
  positive("a rate", options.minRatePerSec);
  for (const stage of stages) {
    positive("a stage's duration", stage.durationMs ?? Number.NaN);
    // Going down to none is a stage, too.
    if (stage.target !== 0) positive("a stage's target", stage.target ?? Number.NaN, true);
  }
  const { durationMs = 0, close } = options;
  if (!(durationMs >= 0)) throw option(`a duration of ${durationMs} ms is not possible`, "give 0 or more");
  if (options.resolve !== undefined && options.resolve !== "first" && options.resolve !== "all") {
    throw option(`unknown resolve: "${options.resolve}"`, "give first or all");
  }
  if (options.family !== undefined && options.family !== 4 && options.family !== 6) {
    throw option(`unknown address family: ${options.family}`, "give 4 or 6");
  }
  if (close !== undefined && close !== "rst" && close !== "fin") {
    throw option(`${quoted(`${close}`)} is no way to close`, "give rst or fin");
  }
  const schedule =
    stages.length > 0 ? stagedSchedule(stages) : steadySchedule(options.connections ?? 1, options.connectRatePerSec);
  const connections = schedule.peak;
  if (connections < 1) throw option("the stages ask for no connection", "give one a target, such as --stage 30s:10k");
  if (options.messageRatePerSec !== undefined && options.message === undefined) {
    throw option("a message rate is given without a message", "add -m ping, or leave out -r");
  }
  if (options.expect !== undefined && options.message === undefined) {
    throw option("answers are expected without a message", "add -m ping, or leave out --expect");
  }
  if (options.expect !== undefined && !EXPECTATIONS.includes(options.expect)) {
    throw option(`unknown answer: ${JSON.stringify(options.expect)}`, `expect ${EXPECTATIONS.join(", ")}`);
  }
  if (options.proxyProtocol !== undefined && !PROXY_VERSIONS.includes(options.proxyProtocol)) {
    throw option(`unknown version of the PROXY protocol: ${JSON.stringify(options.proxyProtocol)}`, "give v1 or v2");
  }
  if (options.closeAfterGreeting && (options.message !== undefined || stages.length > 0)) {
    throw option("connections that close after their greeting are not held", "leave out the message and the stages");
  }
  const isSingle = stages.length === 0 && connections === 1;
  return {
    to,
    resolve: options.resolve ?? "all",
    family: options.family,
    connections,
    schedule,
    isPaced: schedule.endMs > 0,
    isStaged: stages.length > 0,
    concurrency: options.concurrency ?? CONCURRENCY,
    connectTimeoutMs: options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
    durationMs: options.durationMs ?? (isSingle ? Number.POSITIVE_INFINITY : HOLD_MS),
    sources: sourcesOf(options.sources),
    sourcePorts: portsOf(options.sourcePorts),
    message: messageOf(options),
    proxyProtocol: options.proxyProtocol,
    thresholds: {
      maxP99Ms: options.maxP99Ms,
      minRatePerSec: options.minRatePerSec,
      maxFailed: allowedFailures(options.maxFailed, connections),
    },
    reset: options.close === undefined ? connections > MANY : options.close === "rst",
    closesGreeted: options.closeAfterGreeting ?? false,
    oneTable: options.oneTable ?? false,
    authorized: options.authorized ?? false,
    isSingle,
  };
}

function sourcesOf(sources: SourceOption | undefined): readonly AddressRange[] | undefined {
  if (sources === undefined) return undefined;
  const list = typeof sources === "string" ? [sources] : sources;
  return list
    .flatMap((each) => (typeof each === "string" ? parseAddressRanges(each) : [each]))
    .map((range) => ({ ...range, first: unmapIp(range.first) }));
}

function portsOf(ports: SourcePortOption | undefined): PortRange | "kernel" | undefined {
  if (ports === undefined || ports === "kernel") return ports;
  return parsePorts(typeof ports === "string" ? ports : `${ports.first}-${ports.last}`);
}

function messageOf(options: ConnectOptions): ConnectSettings["message"] {
  if (options.message === undefined) return undefined;
  const bytes =
    typeof options.message === "string" ? new TextEncoder().encode(options.message) : options.message.slice();
  if (bytes.length === 0) throw option("the message is empty", "give it at least one byte, such as -m ping");
  return { bytes, intervalMs: 1000 / (options.messageRatePerSec ?? 1), expected: options.expect ?? "echo" };
}

function positive(name: string, value: number | undefined, isWhole = false): void {
  if (value === undefined || (value > 0 && value < 2 ** 31 && (!isWhole || Number.isInteger(value)))) return;
  throw option(
    `${name} of ${value} is not possible`,
    `give ${isWhole ? "a whole number" : "a number"} above 0 and below ${formatCount(2 ** 31)}`,
  );
}

function option(message: string, fix: string): AppError {
  return new AppError("E_OPTION", message, { fix });
}
