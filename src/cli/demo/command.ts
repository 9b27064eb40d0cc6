// `fourtuple demo`: a server and a client in two processes open more connections to one port than there are ports, and
// the kernel's own table confirms the count.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, engineOption, uiOption } from "../parse.js";
import { metricsOption } from "../run-metrics.js";
import type { UiOption } from "../ui/ui.js";

const CONNECTIONS = 100_000;
/** More than two addresses have ports for. */
const FLEET_CONNECTIONS = 150_000;

interface DemoOptions {
  readonly connections?: number;
  readonly engine?: string;
  readonly ui?: UiOption;
  readonly metrics?: string;
  readonly fleet?: boolean;
}

export const addDemo: AddCommand = (program, finish) => {
  program
    .command("demo")
    .usage("[options]")
    .summary("see 100,000 connections to one port on this machine")
    .description(
      "Starts a server and a client on loopback, opens connections to ONE port, counts them in the kernel's\nsocket table and closes them all. More than 65,535 are possible: see for yourself.",
    )
    .option(
      "-c, --connections <count>",
      "connections to open, such as 100k or 1m (default: 100k; with --fleet: 150k)",
      countFor("--connections"),
    )
    .addOption(
      new Option("--fleet", "divide them among three agents in network namespaces, over NATS").conflicts([
        "ui",
        "metrics",
      ]),
    )
    .addOption(engineOption())
    .addOption(metricsOption())
    .addOption(uiOption())
    .addHelpText(
      "after",
      "\nExamples:\n  fourtuple demo\n  fourtuple demo --connections 1m\n  fourtuple demo --ui\n  fourtuple demo --fleet",
    )
    .action(async ({ fleet = false, connections, ...options }: DemoOptions) => {
      const { runDemo } = await import("./run.js");
      const wanted = connections ?? (fleet ? FLEET_CONNECTIONS : CONNECTIONS);
      finish(await runDemo(wanted, { ...options, fleet }));
    });
};
