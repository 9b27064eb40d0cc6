// Runs `fourtuple connect`: starts the run, stops it on signals, and prints what a single connection reads, the
// progress and summary of a load, or JSON events.

import { connect } from "../../client/connect.js";
import { ConnectRun } from "../../client/run.js";
import { explained } from "../../diagnosis/explain.js";
import { printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { connectSummary } from "../../output/text/connect-summary.js";
import type { ConnectOptions } from "../../planning/connect-options.js";
import type { ConnectResult } from "../../results/connect.js";
import { commandLine } from "../command-line.js";
import { openNetwork, type PreparedNetwork } from "../network.js";
import { clientProtocolOptionsOf, clientTlsOptionsOf, type ProtocolCommandOptions } from "../protocol-options.js";
import { RunMetrics } from "../run-metrics.js";
import { EXIT_CODES } from "../signals.js";
import { type StopSignal, supervise } from "../supervise.js";
import { Ui, type UiOption } from "../ui/ui.js";
import { EventPrinter } from "./events.js";
import { type MessageCommandOptions, messageOptionsOf } from "./messages.js";
import { showProgress } from "./progress.js";
import { noConnection, printSingle, printSingleEnd } from "./single.js";

/** Options as parsed from the command line. */
export interface ConnectCommandOptions extends ProtocolCommandOptions, MessageCommandOptions {
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

/** @returns the exit code */
export async function runConnect(to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  const ui = await Ui.open(options.ui);
  const network = await openNetwork(options);
  try {
    return await runBeside(ui, network, to, options);
  } catch (error) {
    await ui?.fail(error);
    throw error;
  } finally {
    network.end();
  }
}

async function runBeside(
  ui: Ui | undefined,
  network: PreparedNetwork,
  to: readonly string[],
  options: ConnectCommandOptions,
): Promise<number> {
  await using metrics = await RunMetrics.open(options.metrics);
  const families = metrics && (await import("../../output/prometheus/run.js"));
  const run = await connect(optionsOf(to, options), undefined, network.prepare);
  if (families) metrics?.show(() => families.clientFamilies(run.snapshot(), ConnectRun.measure(run)));
  let stoppedBy: StopSignal | undefined;
  // Install signal handlers before printing anything: a reader of the first line may already send a signal.
  const ended = supervise(run, (signal) => {
    stoppedBy = signal;
  });
  ended.catch(() => undefined);
  network.handOver();
  if (ui) ui.show((await import("../../output/live/connect-feed.js")).connectFeed(run), () => void run.stop());
  const { isSingle } = run.spec;
  const events = options.json ? new EventPrinter(run, ui?.url) : undefined;
  if (isSingle && !events) printSingle(run);
  run.on("handlerFailed", printNote);
  const endProgress = isSingle || options.quiet ? undefined : await showProgress(run, events !== undefined);
  const ran = await ended.finally(() => {
    events?.stop();
    endProgress?.();
  });
  const result = explained(ran);
  if (events) events.result(result);
  else if (isSingle) printSingleEnd(result, stoppedBy !== undefined);
  else printResult(connectSummary(result, paintFor(process.stdout)));
  await ui?.end({ ...result, command: events ? commandLine() : `${commandLine()} --json` });
  // A single connection is meant to be ended by its server, so stopping it from here is an interruption whatever its
  // duration.
  if (isSingle && stoppedBy) return EXIT_CODES[stoppedBy];
  if (isSingle && (result.ready ?? result.established) === 0) throw noConnection(result);
  return exitCodeOf(result, stoppedBy);
}

function optionsOf(to: readonly string[], options: ConnectCommandOptions): ConnectOptions {
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
    authorized: options.authorized,
  };
}

function exitCodeOf({ outcome, isTargetMet }: ConnectResult, stoppedBy: StopSignal | undefined): number {
  if (outcome === "interrupted") return stoppedBy ? EXIT_CODES[stoppedBy] : INTERRUPTED;
  return isTargetMet ? 0 : 1;
}
