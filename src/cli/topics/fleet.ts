// Options of runs that are divided among several machines: `fourtuple connect --help fleet`.
import { Option } from "commander";
import { ON_LOST } from "../../fleet/options.js";
import { countFor, credsOption, durationFor, natsCaOption } from "../parse.js";
import type { Topic } from "./topic.js";

export const fleetTopic: Topic = {
  options: (role) => [
    role === "connect"
      ? new Option("--fleet <url>", "divide the run among the agents at this NATS server")
      : new Option("--fleet <url>", "serve on the agents at this NATS server"),
    new Option("--agents <n>", "wait for this many agents (default: those that answer within a second)").argParser(
      countFor("--agents"),
    ),
    role === "connect"
      ? new Option(
          "--on-lost <policy>",
          "if an agent is lost: abort, continue without it, or redeal its connections (default: abort)",
        ).choices(ON_LOST)
      : new Option("--on-lost <policy>", "if an agent is lost: abort, or continue without it (default: abort)").choices(
          ["abort", "continue"],
        ),
    new Option(
      "--lease <duration>",
      "agents that hear nothing for so long close their connections (default: 5s)",
    ).argParser(durationFor("--lease")),
    credsOption(),
    natsCaOption(),
  ],
  examples: {
    connect: `
Start an agent on each machine: fourtuple agent --nats nats://10.0.0.5:4222

Examples:
  fourtuple connect 10.0.0.9:7777 -c 1m -T 1m --authorized --fleet nats://10.0.0.5:4222
  fourtuple connect 10.0.0.9:7777 -c 5m --authorized --fleet nats://10.0.0.5:4222 --agents 20 --on-lost redeal`,
    serve: `
Each agent listens on the same address and port, or on its own address if that is 0.0.0.0.
Start an agent on each machine: fourtuple agent --nats nats://10.0.0.5:4222

Examples:
  fourtuple serve 0.0.0.0:7777 --fleet nats://10.0.0.5:4222 --agents 2
  fourtuple serve 0.0.0.0:7777 --mode echo --fleet nats://10.0.0.5:4222 --duration 10m`,
  },
};
