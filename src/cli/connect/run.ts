// Runs `fourtuple connect`: starts the run, stops it on signals, and prints what a single connection reads, the
// progress and summary of a load, or JSON events.

import { connect } from "../../client/connect.js";
import { ConnectRun } from "../../client/run.js";
import { explained } from "../../diagnosis/explain.js";
import { printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { connectSummary } from "../../output/text/connect-summary.js";
import { commandLine } from "../command-line.js";
import { assertNoFleetOptions } from "../fleet/options.js";
import { openNetwork, type PreparedNetwork } from "../network.js";
import { RunMetrics } from "../run-metrics.js";
import { EXIT_CODES } from "../signals.js";
import { type StopSignal, supervise } from "../supervise.js";
import { Ui } from "../ui/ui.js";
import { EventPrinter } from "./events.js";
import { type ConnectCommandOptions, connectOptionsOf, exitCodeOf } from "./options.js";
import { showProgress } from "./progress.js";
import { noConnection, printSingle, printSingleEnd } from "./single.js";

/** @returns the exit code */
export async function runConnect(to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  assertNoFleetOptions(options);
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
  const run = await connect(connectOptionsOf(to, options), undefined, network.prepare);
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
  const events = options.json ? new EventPrinter(run, ui?.url, metrics?.url) : undefined;
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
