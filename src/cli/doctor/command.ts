// `fourtuple doctor`: the ceiling of connections on this host, which limit it is, how to move it; and what stopped a run.
import { Option } from "commander";
import { PROGRAMS } from "../../capacity/load.js";
import type { CapacityOptions } from "../../capacity/options.js";
import { printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import type { AddCommand } from "../add-command.js";
import { addSources, countFor, parseSourcePort, rateFor, sizeFor } from "../parse.js";
import { EXIT_CODES, onStopSignals } from "../signals.js";
import { type FixOptions, isFixAsked, runFix } from "./fix.js";

interface Options extends FixOptions {
  readonly connections?: number;
  readonly role?: CapacityOptions["role"];
  readonly for?: CapacityOptions["program"];
  readonly target?: string;
  readonly sourceIp?: CapacityOptions["sources"];
  readonly sourcePort?: CapacityOptions["sourcePorts"];
  readonly connectRate?: number;
  readonly messageRate?: number;
  readonly messageSize?: number;
  readonly memory?: number;
  readonly cores?: number;
  readonly nofile?: number;
  readonly memoryPerConnection?: number;
  readonly measure: boolean;
  readonly all?: boolean;
  readonly explain?: string;
}

const EXAMPLES = `
Examples:
  fourtuple doctor -c 20k --role server                    can a server on this host hold 20,000?
  fourtuple doctor -c 1m --for fourtuple                   can fourtuple hold both ends of a million here?
  fourtuple doctor -c 200k --target :7777                  towards a server on this host, and its limits
  fourtuple doctor -c 10m --role server --memory 128GiB --cores 32 --nofile 1048576
  fourtuple doctor --explain run.json                      what stopped that run
  fourtuple doctor -c 1m --fix                             what to change for it; --apply changes it, --undo restores`;

/** Imagined hardware needs no fix, and a run's result says its own. */
const NOT_FIXED = ["explain", "all", "memory", "cores", "nofile"];
/** A result says what was asked for: nothing else is read. */
const NOT_EXPLAINED = [
  ...["connections", "role", "target", "sourceIp", "sourcePort", "connectRate", "messageRate", "messageSize"],
  ...["memory", "cores", "nofile", "memoryPerConnection", "for", "measure", "all"],
];
/** What was changed does not depend on what is wanted now. */
const NOT_UNDONE = [
  ...NOT_FIXED,
  ...[
    "fix",
    "apply",
    "script",
    "connections",
    "for",
    "memoryPerConnection",
    "role",
    "target",
    "sourceIp",
    "sourcePort",
    "connectRate",
    "messageRate",
    "messageSize",
  ],
  "measure",
];

export const addDoctor: AddCommand = (program, finish) => {
  program
    .command("doctor")
    .usage("[options]")
    .summary("predict the ceiling, name the limit, fix it, undo it")
    .description("Reads every limit of this host, says how many connections they allow and which one binds.")
    .option("-c, --connections <count>", "how many are wanted (default: 1m)", countFor("--connections"))
    .addOption(
      new Option("--role <role>", "which ends are here (default: both; client towards another host)").choices([
        "server",
        "client",
        "both",
      ]),
    )
    .addOption(
      new Option(
        "--for <program>",
        "whose answer counts: an ordinary program's or fourtuple's own (default: ordinary)",
      ).choices(PROGRAMS),
    )
    .option("--target <host:port>", "where to; nothing is sent there, a server on this host is looked at")
    .option("--source-ip <addresses>", "from these: lists, ranges a-b, CIDR; repeatable", addSources)
    .option("--source-port <range>", "1024-65535, or kernel", parseSourcePort)
    .option("--connect-rate <rate>", "connections per second that come and go: for how long", rateFor("--connect-rate"))
    .option("--message-rate <rate>", "messages per connection and second", rateFor("--message-rate"))
    .option("--message-size <size>", "bytes of a message (default: 64)", sizeFor("--message-size"))
    .option("--memory <size>", "what if the host had this much memory, such as 128GiB", sizeFor("--memory"))
    .option("--cores <n>", "what if it had this many cores", countFor("--cores"))
    .option("--nofile <n>", "what if a process could have this many open files", countFor("--nofile"))
    .option(
      "--memory-per-connection <size>",
      "what an ordinary program takes for each, beside the kernel's",
      sizeFor("--memory-per-connection"),
    )
    .option("--no-measure", "use the committed cost of a connection, open none to measure it")
    .option("--all", "show the limits that do not matter here, too")
    .addOption(
      new Option(
        "--explain <file>",
        "say what stopped the run whose --json is in that file (- for standard input)",
      ).conflicts(NOT_EXPLAINED),
    )
    .addOption(new Option("--fix", "show what to change, in a safe order, and how").conflicts(NOT_FIXED))
    .addOption(
      new Option("--apply", "change what may be changed, each recorded before").conflicts([...NOT_FIXED, "script"]),
    )
    .addOption(new Option("--script", "print a shell script and a sysctl.d file instead").conflicts(NOT_FIXED))
    .addOption(new Option("--undo", "take back what --apply changed").conflicts(NOT_UNDONE))
    .option("--journal <file>", "where changes are recorded (default: /var/lib/fourtuple/journal.jsonl as root)")
    .option("--json", "one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      if (options.explain !== undefined) return finish(await explain(options.explain, options));
      finish(await untilStopped((signal) => act(options, { ...toCapacity(options), signal })));
    });
};

async function act(options: Options, capacity: CapacityOptions): Promise<number> {
  return isFixAsked(options) ? runFix(options, capacity) : predict(options, capacity);
}

/** Ends the measuring by a signal: what is known without it is said, and the exit code is the signal's. */
async function untilStopped(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const stopping = new AbortController();
  let exitCode: number | undefined;
  const forget = onStopSignals(
    (signal) => {
      exitCode = EXIT_CODES[signal];
      stopping.abort();
    },
    (signal) => process.exit(EXIT_CODES[signal]),
  );
  try {
    const done = await work(stopping.signal);
    return exitCode ?? done;
  } finally {
    forget();
  }
}

async function predict(options: Options, capacity: CapacityOptions): Promise<number> {
  const { predictCapacity } = await import("../../capacity/predict.js");
  const { predictionText } = await import("../../output/text/doctor.js");
  const prediction = await predictCapacity(capacity);
  printResult(options.json ? prediction : predictionText(prediction, options.all ?? false, paintFor(process.stdout)));
  return prediction.isTargetMet ? 0 : 1;
}

async function explain(file: string, { json }: Options): Promise<number> {
  const { readResult } = await import("../report/result-file.js");
  const { explainRun } = await import("../../diagnosis/explain.js");
  const { diagnosisText } = await import("../../output/text/diagnosis.js");
  const diagnosis = explainRun(readResult(file, ["connect", "serve"]));
  printResult(json ? diagnosis : diagnosisText(diagnosis, paintFor(process.stdout)));
  return diagnosis.outcome === "met" ? 0 : 1;
}

function toCapacity(options: Options): CapacityOptions {
  return {
    connections: options.connections,
    role: options.role,
    target: options.target,
    sources: options.sourceIp,
    sourcePorts: options.sourcePort,
    connectRatePerSec: options.connectRate,
    messageRatePerSec: options.messageRate,
    messageBytes: options.messageSize,
    memoryBytes: options.memory,
    cores: options.cores,
    nofile: options.nofile,
    program: options.for,
    memoryPerConnectionBytes: options.memoryPerConnection,
    measure: options.measure,
  };
}
