// `fourtuple serve`: holds whatever connects to one port, and says what happened.
import { Option } from "commander";
import { LONGEST_BACKLOG } from "../../server/options.js";
import type { AddCommand } from "../add-command.js";
import { countFor, engineOption } from "../parse.js";
import type { ServeCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple serve :7777                        greet with hello and hold, on 127.0.0.1
  fourtuple serve 0.0.0.0:7777 --mode echo     for other hosts too; send back what comes
  fourtuple serve :7777 --close-after-greeting greet and close, one connection after the other
  fourtuple serve [::1]:0 --json               a free port, told by the first event`;

export const addServe: AddCommand = (program, finish) => {
  program
    .command("serve")
    .usage("[options] <host:port>")
    .summary("hold connections on one port; greet, echo or discard")
    .description(
      "Listens on one port and holds whatever connects. host:port, [::1]:7777, or :7777 for 127.0.0.1;\nport 0 lets the kernel choose. Ctrl-C ends it with a summary, a second one at once.",
    )
    .argument("<host:port>")
    .addOption(
      new Option("--mode <mode>", "hello, echo or discard (default: hello)")
        .choices(["hello", "echo", "discard"])
        .default("hello"),
    )
    .option("--greeting <text>", "sent to each connection (default: hello in mode hello)")
    .option("--close-after-greeting", "greet, then close")
    .option("--backlog <n>", "length of the accept queue (default: 65,535)", countFor("--backlog", LONGEST_BACKLOG))
    .option(
      "--max-connections <n>",
      "hold at most this many; close further ones at once",
      countFor("--max-connections"),
    )
    .addOption(
      new Option("--log <which>", "clients' addresses to print: first, all or none (default: the first 10)")
        .choices(["first", "all", "none"])
        .default("first"),
    )
    .addOption(engineOption())
    .option("--json", "one JSON event a line; the last is the result")
    .addHelpText("after", EXAMPLES)
    .action(async (at: string, options: ServeCommandOptions) => {
      const { runServe } = await import("./run.js");
      finish(await runServe(at, options));
    });
};
