// `fourtuple connect`: one connection as the article's client, or as many as asked for, with a summary.
import { Option } from "commander";
import { AppError } from "../../base/errors.js";
import type { ConnectOptions } from "../../connect/options.js";
import type { ConnectResult, ConnectSnapshot } from "../../connect/result.js";
import type { ConnectRun } from "../../connect/run.js";
import type { Diagnosis } from "../../doctor/explain/diagnosis.js";
import { explainRun } from "../../doctor/explain/run.js";
import { TuplePlanner } from "../../engine/planner.js";
import { connectLine, connectPanel } from "../../ui/connect-progress.js";
import { connectSummary, planNote, singleFailure } from "../../ui/connect-summary.js";
import { type Live, openLive } from "../../ui/live.js";
import { paintFor } from "../../ui/paint.js";
import { RateMeter } from "../../ui/rate-meter.js";
import { clientLine } from "../../ui/serve-text.js";
import type { AddCommand } from "../add-command.js";
import { commandLine } from "../command-line.js";
import { hasParent, tellParent } from "../parent.js";
import { addSources, addStage, countFor, durationFor, parseSourcePort, rateFor } from "../parse.js";
import { supervise } from "../supervise.js";

interface Options {
  readonly connections?: number;
  readonly connectRate?: number;
  readonly concurrency?: number;
  readonly connectTimeout?: number;
  readonly duration?: number;
  readonly stage?: ConnectOptions["stages"];
  readonly sourceIp?: ConnectOptions["sources"];
  readonly sourcePort?: ConnectOptions["sourcePorts"];
  readonly message?: string;
  readonly messageRate?: number;
  readonly close?: "rst" | "fin";
  readonly closeAfterGreeting?: boolean;
  readonly oneTable?: boolean;
  readonly authorized?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  fourtuple connect :7777                                  one connection; print what it reads
  fourtuple connect :7777 -c 100k -T 30s                   100,000 at once, held for 30 s
  fourtuple connect :7777-7786 -c 20k -m ping -r 0.1       ten ports; a message each 10 s
  fourtuple connect host:7777 -c 1k --source-ip 10.0.0.2-10.0.0.9 --connect-rate 500`;

const LIVE_MS = 200;
const LINE_MS = 1000;
/** A hold in which nothing happens is told of this often. */
const QUIET_MS = 10_000;

export const addConnect: AddCommand = (program, finish) => {
  program
    .command("connect")
    .usage("[options] <host:port...>")
    .summary("open one connection, or millions; hold them, say what happened")
    .description("Opens connections to one or more destinations: host:port, host:7777-7786, [::1]:7777, :7777.")
    .argument("<host:port...>")
    .option("-c, --connections <count>", "how many, such as 250, 10k, 1m (default: 1)", countFor("--connections"))
    .option("--connect-rate <rate>", "begin so many per second (default: no limit)", rateFor("--connect-rate"))
    .option("--concurrency <n>", "handshakes in flight at once (default: 1,024)", countFor("--concurrency"))
    .option("--connect-timeout <duration>", "give up on a handshake (default: 10s)", durationFor("--connect-timeout"))
    .option(
      "-T, --duration <duration>",
      "hold (default: 10s; a single one until the server closes)",
      durationFor("--duration"),
    )
    .option("--stage <duration:count>", "go to count in duration, instead of -c; repeatable", addStage)
    .option("--source-ip <addresses>", "from these: lists, ranges a-b, CIDR; repeatable", addSources)
    .option("--source-port <range>", "1024-65535, or kernel to let the kernel choose", parseSourcePort)
    .option("-m, --message <text>", "send it over every connection")
    .option("-r, --message-rate <rate>", "messages per connection and second (default: 1)", rateFor("--message-rate"))
    .addOption(new Option("--close <how>", "how to close (default: rst above 1,000, else fin)").choices(["rst", "fin"]))
    .option("--close-after-greeting", "close each as soon as it is greeted, instead of holding it")
    .option("--one-table", "one descriptor table, as ordinary programs have: ulimit -n bounds it")
    .option("--authorized", "you may open more than 1,000 to another host")
    .option("--json", "print the result as one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (to: string[], options: Options) => {
      finish(await runConnect(to, options));
    });
};

async function runConnect(to: readonly string[], options: Options): Promise<number> {
  const { connect } = await import("../../connect/connect.js");
  const run = await connect({
    to,
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
    close: options.close,
    closeAfterGreeting: options.closeAfterGreeting,
    oneTable: options.oneTable,
    authorized: options.authorized,
  });
  const { isSingle } = run.settings;
  if (isSingle && !options.json) narrate(run);
  const result = await (isSingle ? supervise(run) : superviseWithProgress(run, options));
  const diagnosis = explainRun(result);
  if (options.json) process.stdout.write(`${JSON.stringify({ ...result, command: commandLine(), diagnosis })}\n`);
  else if (!isSingle) process.stdout.write(`${connectSummary(result, diagnosis, paintFor(process.stdout))}\n`);
  if (isSingle && result.established === 0) throw toError(result, diagnosis);
  return result.isTargetMet ? 0 : 1;
}

/** The article's client: its own address, then each read. */
function narrate(run: ConnectRun): void {
  run.on("opened", (local) => process.stdout.write(`${clientLine(local)}\n`));
  run.on("received", (text) => process.stdout.write(`receive ${text} from server\n`));
}

async function superviseWithProgress(run: ConnectRun, options: Options): Promise<ConnectResult> {
  const note = planNote(new TuplePlanner(run.targets.plan).count, run.settings.connections);
  if (note) process.stderr.write(`${note}\n`);
  const live = await openLive(process.stderr);
  const isSilent = live === undefined && options.json;
  const timers = isSilent ? [] : [showProgress(run, live)];
  if (hasParent()) timers.push(setInterval(() => tellParent(run.snapshot()), LIVE_MS));
  try {
    return await supervise(run);
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
      process.stderr.write(`${connectLine(snapshot, ratePerSec)}\n`);
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
