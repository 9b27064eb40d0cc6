// The options of `fourtuple connect` as parsed, those of the library that they stand for, and the exit code.

import type { ConnectOptions } from "../../planning/connect-options.js";
import type { ConnectResult } from "../../results/connect.js";
import type { FleetRunOptions } from "../fleet/options.js";
import { clientProtocolOptionsOf, clientTlsOptionsOf, type ProtocolCommandOptions } from "../protocol-options.js";
import { EXIT_CODES } from "../signals.js";
import type { StopSignal } from "../supervise.js";
import type { UiOption } from "../ui/ui.js";
import { type MessageCommandOptions, messageOptionsOf } from "./messages.js";

/** Options as parsed from the command line. */
export interface ConnectCommandOptions extends ProtocolCommandOptions, MessageCommandOptions, FleetRunOptions {
  readonly connections?: number;
  readonly resolve?: "first" | "all";
  readonly 4?: boolean;
  readonly 6?: boolean;
  readonly connectRate?: number;
  readonly concurrency?: number;
  readonly connectTimeout?: number;
  readonly duration?: number;
  readonly stage?: ConnectOptions["stages"];
  readonly sourceIp?: ConnectOptions["sources"];
  readonly sourcePort?: ConnectOptions["sourcePorts"];
  readonly proxyProtocol?: ConnectOptions["proxyProtocol"];
  readonly maxP99?: number;
  readonly minRate?: number;
  readonly maxFailed?: string;
  readonly close?: "rst" | "fin";
  readonly closeAfterGreeting?: boolean;
  readonly oneTable?: boolean;
  readonly engine?: ConnectOptions["engine"];
  readonly transport?: ConnectOptions["transport"];
  readonly delayedAck?: boolean;
  readonly apply?: boolean;
  readonly journal?: string;
  readonly authorized?: boolean;
  readonly metrics?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
  readonly ui?: UiOption;
}

/** Exit code of an interrupted run; the same as shells report for Ctrl-C. */
const INTERRUPTED = EXIT_CODES.SIGINT;

/** Returns the library's options for those of the command line. */
export function connectOptionsOf(to: readonly string[], options: ConnectCommandOptions): ConnectOptions {
  return {
    to,
    resolve: options.resolve,
    family: options[4] === options[6] ? undefined : options[4] ? 4 : 6,
    connections: options.connections,
    connectRatePerSec: options.connectRate,
    stages: options.stage,
    concurrency: options.concurrency,
    connectTimeoutMs: options.connectTimeout,
    durationMs: options.duration,
    sources: options.sourceIp,
    sourcePorts: options.sourcePort,
    ...messageOptionsOf(options),
    ...clientProtocolOptionsOf(options),
    ...clientTlsOptionsOf(options),
    proxyProtocol: options.proxyProtocol,
    maxP99Ms: options.maxP99,
    minRatePerSec: options.minRate,
    maxFailed: options.maxFailed,
    close: options.close,
    closeAfterGreeting: options.closeAfterGreeting,
    oneTable: options.oneTable,
    engine: options.engine,
    transport: options.transport,
    delayedAck: options.delayedAck,
    authorized: options.authorized,
  };
}

/** @param stoppedBy the signal that stopped the run */
export function exitCodeOf({ outcome, isTargetMet }: ConnectResult, stoppedBy: StopSignal | undefined): number {
  if (outcome === "interrupted") return stoppedBy ? EXIT_CODES[stoppedBy] : INTERRUPTED;
  return isTargetMet ? 0 : 1;
}
