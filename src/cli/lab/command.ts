// `fourtuple lab`: the article's experiments on two hosts, each from its claim to its verdict.

import type { LabResult } from "../../lab/result.js";
import { openLive } from "../../output/terminal/live.js";
import { printJson, print as printLine, printResult, say } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { printable, printableJson } from "../../util/printable.js";
import type { AddCommand } from "../add-command.js";
import { commandLine } from "../command-line.js";
import { openOutput } from "../files/output.js";
import { rescue } from "../files/replace-file.js";
import { countFor, rateFor } from "../parse.js";
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
    .option("--quick", "smaller crowds: about a minute, a minute and a half at most")
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
  const { runLab, settleLab } = await import("../../lab/lab.js");
  // What makes no sense is refused before a file is touched.
  settleLab({ ...options, totalMessageRatePerSec: totalMessageRate });
  const { experimentHeading, experimentText, labSummary, placeLine } = await import("../../output/text/lab.js");
  // A page that cannot be written is better known before the minutes that it takes to fill it.
  const page = report === undefined ? undefined : openOutput(report);
  const paint = paintFor(process.stdout);
  const live = json ? undefined : await openLive(process.stderr);
  const stopping = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const print = (text: string) => {
    live?.clear();
    if (!json) printLine(text);
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
          if (process.env.FOURTUPLE_DEBUG) say(`${error instanceof Error ? error.stack : error}`);
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
    live?.clear();
    printResult(json ? result : labSummary(result, paint));
    if (page) {
      await orRescue(result, json, async () =>
        page.write((await import("../../output/html/render.js")).render(result)),
      );
      if (!json && !page.isStandard) print(`\n${printable(report!)}: the whole of it as a page`);
    }
    if (stoppedBy && result.stoppedIn) throw new Interrupted(stoppedBy);
    // Neither says anything against a claim.
    return result.experiments.some(({ verdict }) => verdict === "refuted" || verdict === "failed") ? 1 : 0;
  } finally {
    live?.end();
    page?.close();
  }
}

/** Minutes of measuring are not lost with the page that was to show them. */
async function orRescue(result: LabResult, isPrinted: boolean | undefined, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (isPrinted) say("note: the result is on standard output; `fourtuple report` makes a page of it");
    else {
      const file = rescue("lab", ".json", `${printableJson(result)}\n`);
      if (file === undefined) printJson(result);
      else say(`note: the result is in ${file}; \`fourtuple report ${file}\` makes a page of it`);
    }
    throw error;
  }
}

function addIds(text: string, before: readonly string[] = []): string[] {
  return [...before, ...text.split(",").map((id) => id.trim())];
}
