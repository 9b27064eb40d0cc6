// What `fourtuple connect` does: a run with its progress, ended by signals, and its summary.

import { startRun } from "../../client/connect.js";
import type { ConnectResult, ConnectSnapshot } from "../../client/result.js";
import type { ConnectRun } from "../../client/run.js";
import { missPhrases } from "../../client/verdict/verdict.js";
import type { Diagnosis } from "../../diagnosis/diagnosis.js";
import { explainRun } from "../../diagnosis/explain.js";
import { type Live, openLive } from "../../output/terminal/live.js";
import { isOutputBehind, print, printReceived, printResult, say } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { RateMeter } from "../../output/terminal/rate-meter.js";
import { connectLine, connectPanel } from "../../output/text/connect-progress.js";
import { connectSummary, interruptedLine, planNote, singleFailure } from "../../output/text/connect-summary.js";
import { triedLine } from "../../output/text/destinations.js";
import { diagnosisLines } from "../../output/text/diagnosis.js";
import { clientLine } from "../../output/text/serve.js";
import type { ConnectOptions } from "../../planning/connect-options.js";
import { parseRunSpec } from "../../planning/parse-run-spec.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { AppError } from "../../util/errors.js";
import { formatBytes } from "../../util/units.js";
import { commandLine } from "../command-line.js";
import { hasParent, tellParent } from "../parent.js";
import { EXIT_CODES } from "../signals.js";
import { type StopSignal, supervise } from "../supervise.js";

/** As the command line has them. */
export interface ConnectCommandOptions {
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
  readonly authorized?: boolean;
  readonly json?: boolean;
}

const LIVE_MS = 200;
const LINE_MS = 1000;
/** A hold in which nothing happens is told of this often. */
const QUIET_MS = 10_000;
/** The exit code of a run that was stopped before its end, as shells give it for Ctrl-C. */
const INTERRUPTED = EXIT_CODES.SIGINT;

/** @returns the exit code */
export async function runConnect(to: readonly string[], options: ConnectCommandOptions): Promise<number> {
  const run = await startRun(specOf(to, options));
  const { isSingle } = run.spec;
  if (isSingle && !options.json) narrate(run);
  let stoppedBy: StopSignal | undefined;
  const stopped = (signal: StopSignal) => {
    stoppedBy = signal;
  };
  const result = await (isSingle ? supervise(run, stopped) : superviseWithProgress(run, options, stopped));
  const diagnosis = explainRun(result);
  if (options.json) printResult({ ...result, command: commandLine(), diagnosis });
  else if (!isSingle) printResult(connectSummary(result, diagnosis, paintFor(process.stdout)));
  // A single connection is its server's to end, however long it was to be held.
  if (isSingle && stoppedBy) {
    if (!options.json) say(interruptedLine(result));
    return EXIT_CODES[stoppedBy];
  }
  if (isSingle && result.established === 0) throw toError(result, diagnosis);
  // A single connection has no summary.
  const missed = isSingle && !options.json && result.outcome === "missed" ? missPhrases(result.misses) : [];
  if (missed.length > 0) say([`target missed: ${missed.join(", ")}`, ...diagnosisLines(diagnosis)].join("\n"));
  if (result.outcome === "interrupted") return stoppedBy ? EXIT_CODES[stoppedBy] : INTERRUPTED;
  return result.isTargetMet ? 0 : 1;
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
    proxyProtocol: options.proxyProtocol,
    maxP99Ms: options.maxP99,
    minRatePerSec: options.minRate,
    maxFailed: options.maxFailed,
    close: options.close,
    closeAfterGreeting: options.closeAfterGreeting,
    oneTable: options.oneTable,
    authorized: options.authorized,
  });
}

/** The article's client: its own address, then each read. */
function narrate(run: ConnectRun): void {
  run.on("opened", (local) => {
    const tried = triedLine(run.names, run.byDestination());
    if (tried) say(tried);
    print(clientLine(local));
  });
  let unprinted = 0;
  run.on("received", (text) => {
    if (isOutputBehind()) unprinted += Buffer.byteLength(text);
    else printReceived("receive ", text, " from server");
  });
  const tell = () => {
    if (unprinted > 0)
      say(`note: ${formatBytes(unprinted)} of what was received is not printed: the output was not read`);
  };
  run.done.then(tell, tell);
}

async function superviseWithProgress(
  run: ConnectRun,
  options: ConnectCommandOptions,
  stopped: (signal: StopSignal) => void,
): Promise<ConnectResult> {
  const note = planNote(run.tuplesAvailable, run.spec.connections);
  if (note) say(note);
  const live = await openLive(process.stderr);
  const isSilent = live === undefined && options.json;
  const timers = isSilent ? [] : [showProgress(run, live)];
  if (hasParent()) timers.push(setInterval(() => tellParent(run.snapshot()), LIVE_MS));
  try {
    return await supervise(run, stopped);
  } finally {
    for (const timer of timers) clearInterval(timer);
    live?.end();
  }
}

function showProgress(run: ConnectRun, live: Live | undefined): NodeJS.Timeout {
  const meter = new RateMeter();
  const paint = paintFor(process.stderr);
  let last = "";
  let lastMs = 0;
  return setInterval(
    () => {
      const snapshot = run.snapshot();
      const ratePerSec = meter.take(snapshot.elapsedMs, snapshot.established);
      if (live) return live.show(connectPanel(snapshot, ratePerSec, paint));
      const state = whatChanges(snapshot);
      if (state === last && snapshot.elapsedMs - lastMs < QUIET_MS) return;
      last = state;
      lastMs = snapshot.elapsedMs;
      say(connectLine(snapshot, ratePerSec));
    },
    live ? LIVE_MS : LINE_MS,
  );
}

function whatChanges({ stage, open, failed, lost, inFlight, sentMessages, answeredMessages }: ConnectSnapshot): string {
  return [stage, open, failed, lost, inFlight, sentMessages, answeredMessages].join();
}

function toError(result: ConnectResult, diagnosis: Diagnosis): AppError {
  const fix = diagnosis.finding?.fix ?? diagnosis.suspects[0]?.fix;
  return new AppError("E_CONNECT", singleFailure(result, diagnosis), fix === undefined ? {} : { fix });
}
