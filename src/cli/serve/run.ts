// Runs `fourtuple serve`: prints lines while the server runs and a summary when a signal stops it.

import { explained } from "../../diagnosis/explain.js";
import { type Live, openLive } from "../../output/terminal/live.js";
import { isOutputBehind, print, printJson, printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { RateMeter } from "../../output/terminal/rate-meter.js";
import {
  backlogNote,
  certificateLine,
  clientLine,
  isSameMoment,
  listeningLine,
  NOT_PRINTED,
  namedClients,
  serveProgress,
  serveSummary,
} from "../../output/text/serve.js";
import type { Explained } from "../../results/diagnosis.js";
import type { ServeResult } from "../../results/serve.js";
import { FIRST_LOGGED, type ServeOptions } from "../../server/options.js";
import { ServeRun } from "../../server/run.js";
import { serve } from "../../server/serve.js";
import type { ServeSnapshot } from "../../server/snapshot.js";
import { assertNoFleetOptions, refuseWithFleet } from "../fleet/options.js";
import { openNetwork, type PreparedNetwork } from "../network.js";
import { RunMetrics } from "../run-metrics.js";
import { supervise } from "../supervise.js";
import { Ui } from "../ui/ui.js";
import { type ServeCommandOptions, serveOptionsOf } from "./options.js";

const PROGRESS_MS = 1000;
/** setTimeout() takes 31 bits; what is longer would end at once. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * @returns the exit code: 1 if a handler of the protocol file threw
 */
export async function runServe(at: string, options: ServeCommandOptions): Promise<number> {
  if (options.fleet !== undefined) return serveByFleet(at, options);
  assertNoFleetOptions(options);
  const ui = await Ui.open(options.ui);
  const network = await openNetwork(options);
  try {
    const result = await serveBeside(ui, network, at, options);
    return result.script?.errors ? 1 : 0;
  } catch (error) {
    await ui?.fail(error);
    throw error;
  } finally {
    network.end();
  }
}

async function serveBeside(
  ui: Ui | undefined,
  network: PreparedNetwork,
  at: string,
  options: ServeCommandOptions,
): Promise<Result> {
  await using metrics = await RunMetrics.open(options.metrics);
  const families = metrics && (await import("../../output/prometheus/run.js"));
  const run = await serve(serveOptionsOf(at, options), undefined, network.prepare);
  if (families) metrics?.show(() => families.serverFamilies(run.snapshot(), ServeRun.measure(run)));
  const live = options.json ? undefined : await openLive(process.stderr);
  // Install signal handlers before printing anything: a reader of the first line may already send a signal.
  const ended = supervise(run);
  ended.catch(() => undefined);
  const { duration } = options;
  const stop = () => void run.stop();
  const over = duration === undefined ? undefined : setTimeout(stop, Math.min(duration, LONGEST_MS));
  network.handOver();
  if (ui) ui.show((await import("../../output/live/serve-feed.js")).serveFeed(run), () => void run.stop());
  const printer = options.json
    ? new JsonPrinter(run, options, ui?.url, metrics?.url)
    : new TextPrinter(run, options, live);
  run.on("handlerFailed", printNote);
  run.on("connection", (peer) => printer.connection(peer));
  let last = run.snapshot();
  // The timer is unreferenced, because the run keeps the process alive, not this timer.
  const timer = setInterval(() => {
    const now = run.snapshot();
    printer.moment(now, isSameMoment(now, last));
    last = now;
  }, PROGRESS_MS).unref();
  try {
    const result = explained(await ended);
    printer.end(result);
    await ui?.end(result);
    return result;
  } finally {
    clearInterval(timer);
    clearTimeout(over);
    printer.leave();
  }
}

/** Serves on other machines. */
async function serveByFleet(at: string, options: ServeCommandOptions): Promise<number> {
  refuseWithFleet(options);
  const { runFleetServe } = await import("../fleet/coordinate-serve.js");
  return runFleetServe(serveOptionsOf(at, options), options);
}

type Result = Explained<ServeResult>;
type Peer = ServeRun["address"];

class JsonPrinter {
  readonly #log: ServeOptions["log"];
  #printed = 0;

  /**
   * @param ui address of the run's live page, if there is one
   * @param metrics address of the run's metrics, if they are served
   */
  constructor(run: ServeRun, { log }: ServeCommandOptions, ui: string | undefined, metrics: string | undefined) {
    this.#log = log;
    const { address, backlog, certificate } = run;
    this.#print({ event: "listening", ...address, backlog, pid: process.pid, certificate, ui, metrics });
  }

  connection(peer: Peer): void {
    if (isOutputBehind()) return;
    this.#print({ event: "connection", ...peer });
    this.#printed++;
  }

  moment(snapshot: ServeSnapshot, isSame: boolean): void {
    if (!isSame && !isOutputBehind()) this.#print({ event: "snapshot", ...snapshot });
  }

  end(result: Result): void {
    const connections = namedClients(result) - this.#printed;
    if (this.#log === "all" && connections > 0) this.#print({ event: "notPrinted", connections });
    printResult({ event: "result", ...result });
  }

  leave(): void {}

  #print(event: object): void {
    printJson(event);
  }
}

class TextPrinter {
  readonly #log: ServeOptions["log"];
  readonly #live: Live | undefined;
  readonly #isProxied: boolean;
  readonly #meter = new RateMeter();
  readonly #paint = paintFor(process.stderr);
  #printed = 0;
  #hasSaidNotPrinted = false;

  constructor(run: ServeRun, options: ServeCommandOptions, live: Live | undefined) {
    const { log, backlog, proxyProtocol = false } = options;
    this.#log = log;
    this.#isProxied = proxyProtocol;
    this.#live = live;
    const note = backlogNote(backlog, run.backlog);
    if (note) printNote(note);
    this.#print(listeningLine(run.address));
    if (run.certificate) this.#print(certificateLine(run.certificate));
    this.moment(run.snapshot(), live === undefined);
  }

  connection(peer: Peer): void {
    // The summary counts these together with the connections that the threads did not report.
    if (isOutputBehind()) return;
    this.#print(clientLine(peer));
    this.#printed++;
  }

  moment(snapshot: ServeSnapshot, isSame: boolean): void {
    const ratePerSec = this.#meter.take(snapshot.elapsedMs, snapshot.accepted);
    this.#noteNotPrinted(this.#isProxied ? snapshot.proxyV1 + snapshot.proxyV2 : snapshot.accepted);
    if (this.#live) this.#live.show(serveProgress(snapshot, ratePerSec, this.#paint));
    else if (!isSame) printNote(serveProgress(snapshot, ratePerSec));
  }

  end(result: Result): void {
    this.#noteNotPrinted(namedClients(result));
    const printed = this.#log === "none" ? undefined : this.#printed;
    this.#live?.clear();
    printResult(`\n${serveSummary(result, printed, paintFor(process.stdout))}`);
  }

  leave(): void {
    this.#live?.end();
  }

  /**
   * @param named number of connections whose client is known
   */
  #noteNotPrinted(named: number): void {
    if (this.#hasSaidNotPrinted || this.#log !== "first" || named <= this.#printed) return;
    // The thread's message about the tenth connection may not have arrived yet.
    if (this.#printed < FIRST_LOGGED) return;
    this.#hasSaidNotPrinted = true;
    this.#print(NOT_PRINTED);
  }

  #print(line: string): void {
    this.#live?.clear();
    print(line);
  }
}
