// `fourtuple lab`: the article's experiments on two hosts, each from its claim to its verdict.
import { openLive } from "../../ui/live.js";
import { paintFor } from "../../ui/paint.js";
import type { AddCommand } from "../add-command.js";
import { commandLine } from "../command-line.js";
import { countFor, rateFor } from "../parse.js";
import { expectWritable, save } from "../save.js";
import { Interrupted, type StopSignal, supervise } from "../supervise.js";

interface Options {
  readonly only?: string[];
  readonly quick?: boolean;
  readonly connections?: number;
  readonly totalMessageRate?: number;
  readonly loopback?: boolean;
  readonly report?: string;
  readonly json?: boolean;
}

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
    .option("--quick", "smaller crowds: about a minute, still past 65,535")
    .option("-c, --connections <count>", "of the large crowd (default: 100k, quick 70k)", countFor("--connections"))
    .option(
      "--total-message-rate <rate>",
      "messages per second over all connections in E6 (default: 4k)",
      rateFor("--total-message-rate"),
    )
    .option("--loopback", "on this host alone, without namespaces")
    .option("--report <file>", "write it as one HTML page, too")
    .option("--json", "one JSON object")
    .addHelpText("after", EXAMPLES)
    .action(async (options: Options) => {
      finish(await lab(options));
    });
};

async function lab({ json, report, totalMessageRate, ...options }: Options): Promise<number> {
  const { runLab } = await import("../../lab/lab.js");
  const { experimentHeading, experimentText, labSummary, placeLine } = await import("../../ui/lab-text.js");
  // A page that cannot be written is better known before the minutes that it takes to fill it.
  if (report !== undefined) expectWritable(report);
  const paint = paintFor(process.stdout);
  const live = json ? undefined : await openLive(process.stderr);
  const stopping = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const print = (text: string) => {
    live?.clear();
    if (!json) process.stdout.write(`${text}\n`);
  };
  try {
    const done = runLab(
      { ...options, totalMessageRatePerSec: totalMessageRate, signal: stopping.signal },
      {
        placed: ({ description }) => print(placeLine(description)),
        begun: (experiment) => print(experimentHeading(experiment, paint)),
        progress: (text) => live?.show(`  ${text}`),
        ended: (ended) => print(experimentText(ended, paint, process.stdout.columns)),
        failed: (error) => {
          if (process.env.FOURTUPLE_DEBUG) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
        },
      },
      commandLine(),
    );
    const stop = (signal: StopSignal) => {
      stoppedBy = signal;
      stopping.abort();
      return done;
    };
    const result = await supervise({ done, stop, abort: () => stopping.abort() });
    if (json) process.stdout.write(`${JSON.stringify(result)}\n`);
    else print(labSummary(result, paint));
    if (report !== undefined) {
      const { render } = await import("../../report/render.js");
      save(report, render(result));
      if (!json) print(`\n${report}: the whole of it as a page`);
    }
    if (stoppedBy && result.stoppedIn) throw new Interrupted(stoppedBy);
    return result.experiments.every(({ verdict }) => verdict === "confirmed" || verdict === "not possible here")
      ? 0
      : 1;
  } finally {
    live?.end();
  }
}

function addIds(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((id) => id.trim())];
}
