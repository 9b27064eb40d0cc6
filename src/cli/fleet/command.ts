// `fourtuple fleet`: the agents and runs of a fleet, the result of a run, and its end.
import type { Command } from "commander";
import type { AddCommand } from "../add-command.js";
import { credsOption, natsCaOption } from "../parse.js";
import type { FleetCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple fleet agents --nats nats://10.0.0.5:4222
  fourtuple fleet result 5f3a9c01 --nats nats://10.0.0.5:4222 --json > run.json
To divide a run among the agents: fourtuple connect ... --fleet nats://10.0.0.5:4222`;

export const addFleet: AddCommand = (program, finish) => {
  const fleet = program
    .command("fleet")
    .usage("<agents|runs|result|stop> --nats <url>")
    .summary("agents and runs of several machines, over NATS")
    .description("Shows the agents that are connected to a NATS server and the runs that were divided among them.")
    .addHelpText("after", EXAMPLES);
  const add = (command: Command, what: "agents" | "runs" | "result" | "stop") =>
    command
      .requiredOption("--nats <url>", "the NATS server, such as nats://10.0.0.5:4222")
      .addOption(credsOption())
      .addOption(natsCaOption())
      .option("--json", "print one JSON object")
      .action(async (...args: unknown[]) => {
        const { runFleet } = await import("./run.js");
        const run = typeof args[0] === "string" ? args[0] : "";
        finish(await runFleet(what, run, args.at(-2) as FleetCommandOptions));
      });
  add(
    fleet.command("agents").description("Lists the agents: cores, memory, addresses, and what they may connect to."),
    "agents",
  );
  add(fleet.command("runs").description("Lists the runs in progress, and those whose results are kept."), "runs");
  add(fleet.command("result <id>").description("Prints the result of a run, also if its coordinator died."), "result");
  add(
    fleet
      .command("stop <id>")
      .description("Stops a run: all connections are closed, and its coordinator prints the result."),
    "stop",
  );
};
