// `fourtuple protocol`: creates a skeleton for a user-defined protocol, and checks
// protocols.
import { Argument } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, durationFor } from "../parse.js";
import type { ProtocolCheckOptions } from "./check.js";

const EXAMPLES = `
Examples:
  fourtuple protocol new chat.mjs          write a commented skeleton
  fourtuple protocol check chat.mjs        run its two sides against each other
  fourtuple serve :7777 --protocol chat.mjs
  fourtuple connect :7777 --protocol chat.mjs -c 10k`;

export const addProtocol: AddCommand = (program, finish) => {
  program
    .command("protocol")
    .usage("[options] <new|check> <file>")
    .summary("create and test a protocol of your own")
    .description(
      "new writes a commented skeleton. check runs the client and server of a file against each other:\nwith data in pieces of every size, connections closed in every state, and real connections.",
    )
    .addArgument(new Argument("<new|check>", "what to do").choices(["new", "check"]))
    .argument("<file>", "JavaScript (.mjs, .js) or TypeScript (.mts, .ts)")
    .option("-c, --connections <count>", "check: real connections (default: 10k)", countFor("--connections"))
    .option(
      "-T, --duration <duration>",
      "check: hold the connections this long (default: 5s)",
      durationFor("--duration"),
    )
    .option("--data <file>", "check: rows for the connections, as CSV or JSON lines")
    .addHelpText("after", EXAMPLES)
    .action(async (task: "new" | "check", file: string, options: ProtocolCheckOptions) => {
      if (task === "check") {
        const { runProtocolCheck } = await import("./check.js");
        finish(await runProtocolCheck(file, options));
        return;
      }
      const { runProtocolNew } = await import("./new.js");
      finish(runProtocolNew(file));
    });
};
