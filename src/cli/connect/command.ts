// `fourtuple connect`: one connection as the article's client, or as many as asked for, with a summary.
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
} from "../parse.js";
import type { ConnectCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple connect :7777                                  one connection; print what it reads
  fourtuple connect :7777 -c 100k -T 30s                   100,000 at once, held for 30 s
  fourtuple connect :7777-7786 -c 20k -m ping -r 0.1       ten ports; a message each 10 s
  fourtuple connect host:7777 -c 1k --source-ip 10.0.0.2-10.0.0.9 --connect-rate 500`;

export const addConnect: AddCommand = (program, finish) => {
  program
    .command("connect")
    .usage("[options] <host:port...>")
    .summary("open one connection, or millions; hold them, say what happened")
    .description("Opens connections to one or more destinations: host:port, host:7777-7786, [::1]:7777, :7777.")
    .argument("<host:port...>")
    .option("-c, --connections <count>", "how many, such as 250, 10k, 1m (default: 1)", countFor("--connections"))
    .option("--connect-rate <rate>", "connections begun per second (default: no limit)", rateFor("--connect-rate"))
    .option("--concurrency <n>", "handshakes in flight at once (default: 1,024)", countFor("--concurrency"))
    .option("--connect-timeout <duration>", "give up on a handshake (default: 10s)", durationFor("--connect-timeout"))
    .option(
      "-T, --duration <duration>",
      "hold for seconds, 500ms, 1m30s or forever (default: 10s; a single one until the server closes)",
      holdFor("--duration"),
    )
    .addOption(
      new Option("--resolve <which>", "of a name's addresses: first or all (default: all)").choices(["first", "all"]),
    )
    .option("-4", "IPv4 addresses only")
    .option("-6", "IPv6 addresses only")
    .option("--stage <duration:count>", "go to count in duration, instead of -c; repeatable", addStage)
    .option("--source-ip <addresses>", "from these: lists, ranges a-b, CIDR; repeatable", addSources)
    .option("--source-port <range>", "1024-65535, or kernel to let the kernel choose", parseSourcePort)
    .option("-m, --message <text>", "send it over every connection")
    .option("-r, --message-rate <rate>", "messages per connection and second (default: 1)", rateFor("--message-rate"))
    .addOption(
      new Option("--expect <answer>", "what answers a message (default: echo)").choices(["echo", "any", "none"]),
    )
    .addOption(
      new Option("--proxy-protocol <version>", "send the PROXY header first, with the own addresses").choices([
        "v1",
        "v2",
      ]),
    )
    .option(
      "--max-p99 <duration>",
      "the target is missed above this p99 (round trips, else connecting)",
      durationFor("--max-p99"),
    )
    .option("--min-rate <rate>", "the target is missed below this many connections per second", rateFor("--min-rate"))
    .option("--max-failed <count|share>", "how many, or which share (1%), may fail or be lost (default: 0)")
    .addOption(new Option("--close <how>", "how to close (default: rst above 1,000, else fin)").choices(["rst", "fin"]))
    .option("--close-after-greeting", "close each as soon as it is greeted, instead of holding it")
    .option("--one-table", "one descriptor table, as ordinary programs have: ulimit -n bounds it")
    .addOption(engineOption())
    .option("--authorized", "you may open more than 1,000 to another host")
    .option("--json", "one JSON event a line; the last is the result")
    .addHelpText("after", EXAMPLES)
    .action(async (to: string[], options: ConnectCommandOptions) => {
      const { runConnect } = await import("./run.js");
      finish(await runConnect(to, options));
    });
};
