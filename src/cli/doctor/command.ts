// `fourtuple doctor`: predicts how many connections this host can hold, names the limit and how to raise it, and
// explains finished runs.

import { Option } from "commander";
import { PROGRAMS, SCHEME_NAMES } from "../../results/identifiers.js";
import type { AddCommand } from "../add-command.js";
import { addSources, countFor, engineOption, parseSourcePort, rateFor, sizeFor, transportOption } from "../parse.js";
import type { DoctorCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple doctor -c 20k --role server                    can a server on this host hold 20,000?
  fourtuple doctor -c 1m --for fourtuple                   can fourtuple hold both ends of 1m here?
  fourtuple doctor -c 200k --target :7777                  include the limits of a local server
  fourtuple doctor -c 10m --role server --memory 128GiB --cores 32 --nofile 1048576
  fourtuple doctor -c 1m --fix                             what to change; then --apply, or --undo`;

/** Options that --fix rejects: hypothetical hardware cannot be tuned, and a run's result names its own fix. */
const NOT_FIXED = ["explain", "all", "memory", "cores", "nofile"];
/** Options that --explain rejects: the result already records what was requested. */
const NOT_EXPLAINED = [
  ...["connections", "role", "target", "sourceIp", "sourcePort", "connectRate", "messageRate", "messageSize"],
  ...["memory", "cores", "nofile", "memoryPerConnection", "for", "protocol", "engine", "transport", "measure", "all"],
];
/** Options that --undo rejects: it reverts the recorded changes, whatever the target is. */
const NOT_UNDONE = [
  ...NOT_FIXED,
  ...[
    "fix",
    "apply",
    "script",
    "connections",
    "for",
    "protocol",
    "engine",
    "transport",
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
    .summary("predict how many connections fit, name the limit and fix it")
    .description("Predicts how many connections this host can hold and names the limit that it hits first.")
    .option("-c, --connections <count>", "target number of connections (default: 1m)", countFor("--connections"))
    .addOption(
      new Option("--role <role>", "server, client or both ends (default: both; remote target: client)").choices([
        "server",
        "client",
        "both",
      ]),
    )
    .addOption(
      new Option("--for <program>", "whose limits apply: ordinary or fourtuple (default: ordinary)").choices(PROGRAMS),
    )
    .option("--target <host:port>", "destination: inspected if on this host; nothing is sent to it")
    .option("--source-ip <addresses>", "source addresses: lists, ranges a-b, CIDR; repeatable", addSources)
    .option("--source-port <range>", "source ports: 1024-65535, or kernel", parseSourcePort)
    .option(
      "--connect-rate <rate>",
      "how long can this many short-lived connections per second last?",
      rateFor("--connect-rate"),
    )
    .option("--message-rate <rate>", "messages per second on each connection", rateFor("--message-rate"))
    .option("--message-size <size>", "message size in bytes (default: 64)", sizeFor("--message-size"))
    .option("--memory <size>", "predict for a host with this much memory, such as 128GiB", sizeFor("--memory"))
    .option("--cores <n>", "predict for a host with this many cores", countFor("--cores"))
    .option("--nofile <n>", "predict for processes with this open-file limit", countFor("--nofile"))
    .option(
      "--memory-per-connection <size>",
      "memory that an ordinary program uses per connection",
      sizeFor("--memory-per-connection"),
    )
    .addOption(
      new Option("--protocol <scheme>", "measure this protocol, with its handshakes and heartbeats").choices(
        SCHEME_NAMES,
      ),
    )
    .addOption(engineOption())
    .addOption(transportOption())
    .option("--no-measure", "use the built-in cost per connection instead of measuring it")
    .option("--all", "also show limits that do not matter here")
    .addOption(
      new Option("--explain <file>", "explain what stopped a run, given its --json output (- for stdin)").conflicts(
        NOT_EXPLAINED,
      ),
    )
    .addOption(new Option("--fix", "show what to change, how, and in what order").conflicts(NOT_FIXED))
    .addOption(
      new Option("--apply", "make the sysctl changes, and record each one first").conflicts([...NOT_FIXED, "script"]),
    )
    .addOption(new Option("--script", "print the changes as a shell script and a sysctl.d file").conflicts(NOT_FIXED))
    .addOption(new Option("--undo", "revert what --apply changed").conflicts(NOT_UNDONE))
    .option("--journal <file>", "journal of changes (root: /var/lib/fourtuple/journal.jsonl)")
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (options: DoctorCommandOptions) => {
      const { runDoctor } = await import("./run.js");
      finish(await runDoctor(options));
    });
};
