// What `fourtuple connect` does: starts a run, ends it by signals, and shows it: one connection as it is read, a load by its progress
// and summary, either as JSON events.

import { startRun } from "../../client/connect.js";
import { explained } from "../../diagnosis/explain.js";
import { printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { connectSummary } from "../../output/text/connect-summary.js";
import type { ConnectOptions } from "../../planning/connect-options.js";
import { parseRunSpec } from "../../planning/parse-run-spec.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { ConnectResult } from "../../results/connect.js";
import { clientTlsOptionsOf, type ProtocolCommandOptions, protocolOptionsOf } from "../protocol-options.js";
import { EXIT_CODES } from "../signals.js";
import { type StopSignal, supervise } from "../supervise.js";
import { EventPrinter } from "./events.js";
import { showProgress } from "./progress.js";
import { noConnection, printSingle, printSingleEnd } from "./single.js";

/** As the command line has them. */
export interface ConnectCommandOptions extends ProtocolCommandOptions {
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
  readonly message?: string;
  readonly messageRate?: number;
  readonly expect?: ConnectOptions["expect"];
  readonly proxyProtocol?: ConnectOptions["proxyProtocol"];
  readonly maxP99?: number;
  readonly minRate?: number;
  readonly maxFailed?: string;
  readonly close?: "rst" | "fin";
  readonly closeAfterGreeting?: boolean;
  readonly oneTable?: boolean;
  readonly engine?: ConnectOptions["engine"];
  readonly authorized?: boolean;
  readonly json?: boolean;
}

/** The exit code of a run that was stopped before its end, as shells give it for Ctrl-C. */
const INTERRUPTED = EXIT_CODES.SIGINT;

/** @returns the exit code */
export async function runConnect(to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  const run = await startRun(specOf(to, options));
  let stoppedBy: StopSignal | undefined;
  // Before a word is printed: who reads that it has started may send a signal.
  const ended = supervise(run, (signal) => {
    stoppedBy = signal;
  });
  ended.catch(() => undefined);
  const { isSingle } = run.spec;
  const events = options.json ? new EventPrinter(run) : undefined;
  if (isSingle && !events) printSingle(run);
  const endProgress = isSingle ? undefined : await showProgress(run, events !== undefined);
  const ran = await ended.finally(() => {
    events?.stop();
    endProgress?.();
  });
  const result = explained(ran);
  if (events) events.result(result);
  else if (isSingle) printSingleEnd(result, stoppedBy !== undefined);
  else printResult(connectSummary(result, paintFor(process.stdout)));
  // A single connection is its server's to end, however long it was to be held.
  if (isSingle && stoppedBy) return EXIT_CODES[stoppedBy];
  if (isSingle && (result.ready ?? result.established) === 0) throw noConnection(result);
  return exitCodeOf(result, stoppedBy);
}

function specOf(to: readonly string[], options: ConnectCommandOptions): RunSpec {
  return parseRunSpec({
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
    message: options.message,
    messageRatePerSec: options.messageRate,
    expect: options.expect,
    ...protocolOptionsOf(options),
    ...clientTlsOptionsOf(options),
    proxyProtocol: options.proxyProtocol,
    maxP99Ms: options.maxP99,
    minRatePerSec: options.minRate,
    maxFailed: options.maxFailed,
    close: options.close,
    closeAfterGreeting: options.closeAfterGreeting,
    oneTable: options.oneTable,
    engine: options.engine,
    authorized: options.authorized,
  });
}

function exitCodeOf({ outcome, isTargetMet }: ConnectResult, stoppedBy: StopSignal | undefined): number {
  if (outcome === "interrupted") return stoppedBy ? EXIT_CODES[stoppedBy] : INTERRUPTED;
  return isTargetMet ? 0 : 1;
}
