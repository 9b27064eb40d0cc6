// `fourtuple exporter`: serves port pressure, accept queues and the host's limits to Prometheus.
import { Option } from "commander";
import type { AddCommand } from "../add-command.js";
import { countFor, netnsOptions } from "../parse.js";
import type { ExporterCommandOptions } from "./run.js";

const EXAMPLES = `
Examples:
  fourtuple exporter                        on 127.0.0.1:9477
  fourtuple exporter --listen 0.0.0.0:9477  reachable from other hosts; there is no password
  fourtuple exporter --all-netns            all containers and pods of the host
  curl http://127.0.0.1:9477/metrics        what Prometheus reads`;

const LISTEN = "127.0.0.1:9477";
const TOP = 20;
/** Prometheus's documentation advises against more series than this in one family. */
const MOST_ROWS = 1000;

export const addExporter: AddCommand = (program, finish) => {
  const [netns, pid] = netnsOptions();
  program
    .command("exporter")
    .usage("[options]")
    .summary("serve port pressure and limits of this host to Prometheus")
    .description(
      "Serves metrics of this host at /metrics: source ports by destination, accept queues, sockets by\nstate, and the usage of each limit. Each scrape reads the kernel's tables once; between\nscrapes it does nothing. Ctrl-C stops.",
    )
    .option("--listen <host:port>", `where to serve /metrics and /healthz (default: ${LISTEN})`, LISTEN)
    .option(
      "--top <n>",
      `how many destinations, listeners and pools get their own series (default: ${TOP})`,
      countFor("--top", MOST_ROWS),
      TOP,
    )
    .addOption(netns)
    .addOption(pid)
    .addOption(
      new Option("--all-netns", "read all network namespaces, such as those of containers").conflicts(["netns", "pid"]),
    )
    .addHelpText("after", EXAMPLES)
    .action(async (options: ExporterCommandOptions) => {
      const { runExporter } = await import("./run.js");
      finish(await runExporter(options, program.version() ?? ""));
    });
};
