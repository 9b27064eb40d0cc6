// `fourtuple lab`: the article's experiments on two hosts, each from its claim to its verdict.
import type { AddCommand } from "../add-command.js";
import { countFor, rateFor } from "../parse.js";
import type { LabCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple lab --quick               the seven experiments in about a minute
  fourtuple lab --only E2 -c 1m       a million connections on one port
  fourtuple lab --report lab.html     and a page to show
  fourtuple lab --json > lab.json     everything that was seen: fourtuple report lab.json`;

export const addLab: AddCommand = (program, finish) => {
  program
    .command("lab")
    .usage("[options]")
    .summary("the article's experiments on two hosts, with evidence")
    .description(
      "Makes two hosts (network namespaces joined by a wire), a server in one and clients in the other,\nand goes through the claims about ports and connections one by one. All of it is gone at the end.",
    )
    .option("--only <ids>", "these experiments, such as E3 or E1,E2 (repeatable)", addIds)
    .option("--quick", "fewer connections: about a minute, a minute and a half at most")
    .option("-c, --connections <count>", "in E2 (default: 100k, quick 70k)", countFor("--connections"))
    .option(
      "--total-message-rate <rate>",
      "messages per second over all connections in E6 (default: 4k)",
      rateFor("--total-message-rate"),
    )
    .option("--loopback", "on this host alone, without namespaces")
    .option("--report <file>", "write it as one HTML page, too")
    .option("--json", "one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (options: LabCommandOptions) => {
      const { runLabCommand } = await import("./run.js");
      finish(await runLabCommand(options));
    });
};

function addIds(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((id) => id.trim())];
}
