// `fourtuple lab`: experiments that test the 65,535 claims between two hosts, each from claim to verdict.
import type { AddCommand } from "../add-command.js";
import { countFor, engineOption, rateFor, uiOption } from "../parse.js";
import { metricsOption } from "../run-metrics.js";
import type { LabCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple lab --quick               all ten experiments, in two minutes at most
  fourtuple lab --only E2 -c 1m       a million connections on one port
  fourtuple lab --only E9 -c max      as many as memory allows, with clients that take none of it
  fourtuple lab --report lab.html     also write an HTML page
  fourtuple lab --json > lab.json     save all the evidence; fourtuple report lab.json draws it`;

export const addLab: AddCommand = (program, finish) => {
  program
    .command("lab")
    .usage("[options]")
    .summary("test the claims about 65,535, with evidence")
    .description(
      "Creates two hosts (network namespaces joined by a veth pair), runs a server in one and clients in\nthe other, and tests the claims about ports and connections one by one. Cleans up at the end.",
    )
    .option("--only <ids>", "run only these experiments, such as E3 or E1,E2 (repeatable)", addIds)
    .option("--quick", "use fewer connections, and take two minutes at most")
    .option(
      "-c, --connections <count>",
      "connections in E2, E9 and E10, or max in E9 and E10 (default: 100k in E2)",
      countOrMax,
    )
    .option(
      "--total-message-rate <rate>",
      "messages per second across all connections in E6 (default: 4k)",
      rateFor("--total-message-rate"),
    )
    .option("--loopback", "run over loopback, without namespaces")
    .addOption(engineOption())
    .addOption(metricsOption())
    .addOption(uiOption())
    .option("--report <file>", "also write an HTML page")
    .option("--json", "print one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (options: LabCommandOptions) => {
      const { runLabCommand } = await import("./run.js");
      finish(await runLabCommand(options));
    });
};

/** Parses a count, or `max` for as many as this host can hold. */
function countOrMax(text: string): number | "max" {
  return text === "max" ? text : countFor("--connections")(text);
}

function addIds(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((id) => id.trim())];
}
