// `fourtuple doctor`: the ceiling of connections on this host, which limit it is, how to move it; and what stopped a run.

import { Option } from "commander";
import { PROGRAMS } from "../../results/identifiers.js";
import type { AddCommand } from "../add-command.js";
import { addSources, countFor, parseSourcePort, rateFor, sizeFor } from "../parse.js";
import type { DoctorCommandOptions } from "./run.js";

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
    .action(async (options: DoctorCommandOptions) => {
      const { runDoctor } = await import("./run.js");
      finish(await runDoctor(options));
    });
};
