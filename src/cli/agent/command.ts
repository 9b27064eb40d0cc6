// `fourtuple agent`: opens or accepts connections on this host for runs of a fleet.
import type { AddCommand } from "../add-command.js";
import { credsOption, natsCaOption } from "../parse.js";
import type { AgentCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple agent --nats nats://10.0.0.5:4222
  fourtuple agent --nats tls://nats.example.org --creds load.creds --allow 192.0.2.10:443
  fourtuple connect 10.0.0.9:7777 -c 1m --authorized --fleet nats://10.0.0.5:4222     on any machine`;

export const addAgent: AddCommand = (program, finish) => {
  program
    .command("agent")
    .usage("--nats <url> [options]")
    .summary("open or accept connections here for a fleet")
    .description(
      "Waits at a NATS server for runs that `fourtuple connect --fleet` and `serve --fleet` divide among\nseveral machines, and does this machine's part. One run at a time; Ctrl-C stops.",
    )
    .requiredOption("--nats <url>", "the NATS server, such as nats://10.0.0.5:4222; several with commas")
    .option("--name <name>", "name in results (default: this host's name)")
    .option(
      "--allow <cidr:ports>",
      "connect to these only, and listen only there; repeatable (default: loopback and private addresses)",
      (text: string, before: readonly string[] = []) => [...before, text],
    )
    .option(
      "--allow-code",
      "run protocols that coordinators send (--protocol); their code may do all that this user may",
    )
    .option("--packet-ip <addresses>", "for connections without kernel sockets: addresses that nobody else uses")
    .option("--apply", "make the changes to this host that --packet-ip needs, until each run ends")
    .addOption(credsOption())
    .addOption(natsCaOption())
    .addHelpText("after", EXAMPLES)
    .action(async (options: AgentCommandOptions) => {
      const { runAgent } = await import("./run.js");
      finish(await runAgent(options));
    });
};
