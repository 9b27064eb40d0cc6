// `fourtuple ports`: shows, from the kernel's socket table, which sockets share a port and how close each
// destination is to running out of ports.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, netnsOptions, parsePercent } from "../parse.js";
import type { PortsCommandOptions } from "./options.js";
import { checkPeer } from "./query.js";
import { addStates } from "./states.js";

const EXAMPLES = `
Examples:
  fourtuple ports :7777                        who shares port 7777
  fourtuple ports :7777 --map ports.svg        draw each address's 256 x 256 ports
  fourtuple ports --pressure --fail-above 80   exit 1 if any destination is above 80%
  fourtuple ports --pid 4711 -ltnp             listeners in a container, with their processes`;

const TOP = 10;
/** This is larger than the number of addresses on any host. */
const MOST_ROWS = 100_000;

export const addPorts: AddCommand = (program, finish) => {
  const [netns, pid] = netnsOptions();
  program
    .command("ports")
    .usage("[options] [host:port]")
    .summary("show who shares a port, and what is running out of ports")
    .description(
      "Reads the kernel's TCP socket table. :7777 shows both ends of every connection on that port, at any of this host's addresses; 127.0.0.1:7777 shows only that address. Without an argument, it summarises all sockets of this host. Short options mean the same as in ss.",
    )
    .argument("[host:port]")
    .optionsGroup("Which sockets:")
    .option("--state <names>", "only in these states: established, time-wait, connected, ... (repeatable)", addStates)
    .option("--peer <address>", "only with these peers: an address, a list, a range or CIDR", checkPeer)
    .option("-4", "only IPv4 sockets")
    .option("-6", "only IPv6 sockets")
    .addOption(netns)
    .addOption(pid)
    .addOption(
      new Option("--all-netns", "one row per network namespace: containers, pods").conflicts([
        ...["netns", "pid", "listening", "pressure", "list", "map", "process", "memory", "metrics"],
      ]),
    )
    .optionsGroup("What to show:")
    .addOption(
      new Option("-l, --listening", "listeners and their accept queues").conflicts(["pressure", "map", "memory"]),
    )
    .addOption(new Option("--pressure", "source ports in use and left, per destination").conflicts("memory"))
    .addOption(
      new Option("--list", "one row per socket, for pipes").conflicts(["json", "map", "watch", "pressure", "top"]),
    )
    .addOption(
      new Option("--map [file]", "draw the ports, to an .svg or .html file or the terminal").conflicts([
        "json",
        "pressure",
        "process",
        "memory",
        "top",
      ]),
    )
    .option("-p, --process", "show which processes own the listeners and sockets")
    .option("-m, --memory", "kernel memory of socket buffers; with -p, per process")
    .optionsGroup("Output:")
    .option("--top <n>", "rows per table (default: 10)", countFor("--top", MOST_ROWS), TOP)
    .addOption(new Option("--watch", "refresh every second, with rates").conflicts("map"))
    .addOption(
      new Option("--fail-above <percent>", "with --pressure, --all-netns: exit 1 if more than this share is in use")
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
    .option("-H, --no-header", "with --list: omit the header")
    .option("--json", "print one JSON object")
    .addHelpOption(new Option("-h, --help", "display help for command").helpGroup("Output:"))
    .addOption(new Option("-t, --tcp", "TCP (the only protocol shown)").hideHelp())
    .addOption(new Option("-n, --numeric", "numeric output (always on)").hideHelp())
    .addOption(new Option("-a, --all", "include listeners (always on)").hideHelp())
    .addHelpText("after", EXAMPLES)
    .action(async (at: string | undefined, options: PortsCommandOptions) => {
      const { runPorts } = await import("./run.js");
      finish(await runPorts(at, options));
    });
};
