// `fourtuple connect`: opens one connection and prints the data that it reads, or opens many and prints a
// summary.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import {
  addSources,
  addStage,
  countFor,
  durationFor,
  engineOption,
  holdFor,
  parseSourcePort,
  rateFor,
  transportOption,
  uiOption,
} from "../parse.js";
import { addProtocolOptions } from "../protocol-options.js";
import { metricsOption } from "../run-metrics.js";
import type { ConnectCommandOptions } from "./options.js";

const EXAMPLES = `
Examples:
  fourtuple connect :7777 -c 100k -T 30s                   open 100,000 and hold them for 30 s`;

export const addConnect: AddCommand = (program, finish) => {
  const command = program
    .command("connect")
    .usage("[options] <host:port...>")
    .summary("open and hold one connection or millions")
    .description("Opens connections to one or more destinations: host:port, host:7777-7786, [::1]:7777, :7777.")
    .argument("<host:port...>")
    .option(
      "-c, --connections <count>",
      "connections to open, such as 250, 10k or 1m (default: 1)",
      countFor("--connections"),
    )
    .option("--connect-rate <rate>", "connections to start per second (default: no limit)", rateFor("--connect-rate"))
    .option("--concurrency <n>", "handshakes in flight at once (default: 1,024)", countFor("--concurrency"))
    .option(
      "--connect-timeout <duration>",
      "give up on a handshake after this time (default: 10s)",
      durationFor("--connect-timeout"),
    )
    .option(
      "-T, --duration <duration>",
      "hold for 30s, 1m30s or forever (default: 10s; single: until closed)",
      holdFor("--duration"),
    )
    .addOption(
      new Option("--resolve <which>", "use the first or all addresses of a host name (default: all)").choices([
        "first",
        "all",
      ]),
    )
    .option("-4", "IPv4 addresses only")
    .option("-6", "IPv6 addresses only")
    .option("--stage <duration:count>", "ramp to count within duration, instead of -c; repeatable", addStage)
    .option("--source-ip <addresses>", "source addresses: lists, ranges a-b, CIDR; repeatable", addSources)
    .option("--source-port <range>", "source ports: 1024-65535, or kernel to let the kernel choose", parseSourcePort)
    .option("-m, --message <text>", "send this on every connection")
    .option(
      "-r, --message-rate <rate>",
      "messages per second on each connection (default: 1)",
      rateFor("--message-rate"),
    )
    .option(
      "-n, --requests <count>",
      "end after this many messages or HTTP requests over all connections",
      countFor("--requests"),
    )
    .addOption(
      new Option("--proxy-protocol <version>", "send a PROXY protocol header first: v1 or v2").choices(["v1", "v2"]),
    )
    .option(
      "--max-p99 <duration>",
      "fail if p99 of round trips, or else of connect time, is higher",
      durationFor("--max-p99"),
    )
    .option("--min-rate <rate>", "fail if fewer connections per second are established", rateFor("--min-rate"))
    .option("--max-failed <count|share>", "connections, or share (1%), that may fail or be lost (default: 0)")
    .addOption(
      new Option("--close <how>", "rst or fin (default: rst above 1,000 connections, else fin)").choices([
        "rst",
        "fin",
      ]),
    )
    .option("--close-after-greeting", "close each connection once greeted, instead of holding it")
    .option("--one-table", "use one descriptor table, as ordinary programs do (ulimit -n)")
    .addOption(engineOption())
    .addOption(metricsOption())
    .addOption(transportOption())
    .option("--authorized", "confirm that you may open over 1,000 connections to another host")
    .addOption(uiOption())
    .option("-q, --quiet", "print no progress, only the result")
    .option("--json", "print one JSON event per line, the result last")
    .action(async (to: string[], options: ConnectCommandOptions) => {
      if (options.fleet === undefined) {
        const { runConnect } = await import("./run.js");
        finish(await runConnect(to, options));
      } else {
        const { runFleetConnect } = await import("../fleet/coordinate-connect.js");
        finish(await runFleetConnect(to, options));
      }
    });
  addProtocolOptions(command, "connect", EXAMPLES);
};
