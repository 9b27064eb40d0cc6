// Options of runs that are divided among several machines: `fourtuple connect --help fleet`.
import { Option } from "commander";
import { ON_LOST } from "../../fleet/options.js";
import { countFor, credsOption, durationFor, natsCaOption } from "../parse.js";
import type { Topic } from "./topic.js";

export const fleetTopic: Topic = {
  options: (role) =>
    role === "serve"
      ? []
      : [
          new Option("--fleet <url>", "divide the run among the agents at this NATS server"),
          new Option(
            "--agents <n>",
            "wait for this many agents (default: those that answer within a second)",
          ).argParser(countFor("--agents")),
          new Option(
            "--on-lost <policy>",
            "if an agent is lost: abort, continue without it, or redeal its connections (default: abort)",
          ).choices(ON_LOST),
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
  fourtuple connect 10.0.0.9:7777 -c 1m -T 1m --fleet nats://10.0.0.5:4222
  fourtuple connect 10.0.0.9:7777 -c 5m --fleet nats://10.0.0.5:4222 --agents 20 --on-lost redeal`,
    serve: "",
  },
};
