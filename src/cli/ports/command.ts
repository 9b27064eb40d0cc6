// `fourtuple ports`: the kernel's socket table. Who shares a port, how near each destination is to running out.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, parsePercent } from "../parse.js";
import type { PortsCommandOptions } from "./options.js";
import { checkPeer } from "./query.js";
import { addStates } from "./states.js";

const EXAMPLES = `
Examples:
  fourtuple ports :7777                        who shares port 7777, and what accept did not spend
  fourtuple ports                              by state, port, peer and destination; accept queues
  fourtuple ports :7777 --map ports.svg        a picture: 256 x 256 ports of each address
  fourtuple ports --pressure --watch           how near each destination is to running out
  fourtuple ports --pressure --fail-above 80   exit code 1 when a destination is past 80 %
  fourtuple ports --pid 4711 -ltnp             the listeners in a container, with their processes
  fourtuple ports --list --state time-wait | wc -l`;

const TOP = 10;
/** More than a host has addresses. */
const MOST_ROWS = 100_000;

export const addPorts: AddCommand = (program, finish) => {
  program
    .command("ports")
    .usage("[options] [host:port]")
    .summary("the kernel's socket table: who shares a port, what runs out")
    .description(
      "Reads the kernel's TCP socket table. With :7777, both ends of every connection of that port, at any address of this host; with 127.0.0.1:7777 at that one. Without, the host's sockets in sum. Short options mean what they mean to ss.",
    )
    .argument("[host:port]")
    .optionsGroup("Which sockets:")
    .option("--state <names>", "in these states only: established, time-wait, connected, ... (repeatable)", addStates)
    .option("--peer <address>", "to these peers only: an address, a list, a range or CIDR", checkPeer)
    .option("-4", "IPv4 sockets only")
    .option("-6", "IPv6 sockets only")
    .option("-N, --netns <name>", "of another network namespace: a name of ip netns, or a path")
    .addOption(
      new Option("--pid <pid>", "of the network namespace that this process is in")
        .argParser(countFor("--pid"))
        .conflicts("netns"),
    )
    .optionsGroup("What is shown:")
    .addOption(
      new Option("-l, --listening", "the listeners with their accept queues").conflicts(["pressure", "map", "memory"]),
    )
    .addOption(new Option("--pressure", "source ports taken and left for each destination").conflicts("memory"))
    .addOption(
      new Option("--list", "every socket a row, for a pipe").conflicts(["json", "map", "watch", "pressure", "top"]),
    )
    .addOption(
      new Option("--map [file]", "draw the ports: a file .svg or .html, or the terminal").conflicts([
        "json",
        "pressure",
        "process",
        "memory",
        "top",
      ]),
    )
    .option("-p, --process", "who owns the listeners and the sockets")
    .option("-m, --memory", "the kernel's memory for each socket's buffers; with -p by process")
    .optionsGroup("Output:")
    .option("--top <n>", "rows of each table (default: 10)", countFor("--top", MOST_ROWS), TOP)
    .addOption(new Option("--watch", "again each second, with rates").conflicts("map"))
    .addOption(
      new Option("--fail-above <percent>", "with --pressure: exit code 1 when more of the ports are taken")
        .argParser(parsePercent("--fail-above"))
        .conflicts("watch"),
    )
    .addOption(
      new Option("--metrics", "pressure and accept queues for Prometheus (OpenMetrics)").conflicts([
        "json",
        "list",
        "listening",
        "map",
        "memory",
        "process",
        "state",
        "watch",
      ]),
    )
    .option("-H, --no-header", "with --list: rows alone")
    .option("--json", "one JSON object")
    .addOption(new Option("-t, --tcp", "TCP: there is nothing else here").hideHelp())
    .addOption(new Option("-n, --numeric", "numbers, no names: always so").hideHelp())
    .addOption(new Option("-a, --all", "listeners as well: always so").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (at: string | undefined, options: PortsCommandOptions) => {
      const { runPorts } = await import("./run.js");
      finish(await runPorts(at, options));
    });
};
