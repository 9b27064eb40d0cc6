// `fourtuple serve`: accepts and holds connections on one port, then prints a summary.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, durationFor, engineOption, transportOption, uiOption } from "../parse.js";
import { addProtocolOptions } from "../protocol-options.js";
import { metricsOption } from "../run-metrics.js";
import type { ServeCommandOptions } from "./options.js";

/** listen() takes an int. */
const LONGEST_BACKLOG = 2 ** 31 - 1;

const EXAMPLES = `
Examples:
  fourtuple serve :7777                        send hello and hold, on 127.0.0.1
  fourtuple serve 0.0.0.0:7777 --mode echo     accept from other hosts too; echo what arrives
  fourtuple serve :7777 --close-after-greeting send hello, then close
  fourtuple serve [::1]:0 --json               listen on a free port; the first event names it`;

export const addServe: AddCommand = (program, finish) => {
  const command = program
    .command("serve")
    .usage("[options] <host:port>")
    .summary("accept and hold connections; greet, echo or discard")
    .description(
      "Listens on one port, accepts connections and holds them. The address is host:port, [::1]:7777,\nor :7777 for 127.0.0.1; port 0 picks a free port. Ctrl-C stops and prints a summary;\npress it twice to quit at once.",
    )
    .argument("<host:port>")
    .addOption(
      new Option("--mode <mode>", "hello, echo or discard (default: hello)")
        .choices(["hello", "echo", "discard"])
        .default("hello"),
    )
    .option("--greeting <text>", "text sent to each connection (default: hello in hello mode)")
    .option("--close-after-greeting", "send the greeting, then close")
    .option("--backlog <n>", "accept queue length (default: 65,535)", countFor("--backlog", LONGEST_BACKLOG))
    .option(
      "--max-connections <n>",
      "hold at most this many connections; close any more at once",
      countFor("--max-connections"),
    )
    .addOption(
      new Option("--log <which>", "client addresses to print: first (10), all or none (default: first)")
        .choices(["first", "all", "none"])
        .default("first"),
    )
    .option("-T, --duration <duration>", "stop after this time (default: run until stopped)", durationFor("--duration"))
    .option("--proxy-protocol", "expect a PROXY protocol header, v1 or v2, from a load balancer")
    .addOption(engineOption())
    .addOption(transportOption())
    .addOption(metricsOption())
    .addOption(uiOption())
    .option("--json", "print one JSON event per line, the result last")
    .action(async (at: string, options: ServeCommandOptions) => {
      const { runServe } = await import("./run.js");
      finish(await runServe(at, options));
    });
  addProtocolOptions(command, "serve", EXAMPLES);
};
