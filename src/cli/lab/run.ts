// Runs `fourtuple lab`: runs the experiments and shows their progress, then prints the summary and writes the
// page. A signal stops it.

import type { Experiment } from "../../lab/experiment.js";
import { type LabOptions, resolveLab, runLab } from "../../lab/lab.js";
import { LabState } from "../../output/prometheus/lab.js";
import { openLive } from "../../output/terminal/live.js";
import { printJson, print as printLine, printNote, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import { experimentHeading, experimentText, labSummary, placeLine } from "../../output/text/lab.js";
import type { LabResult } from "../../results/lab/lab.js";
import { DEBUG } from "../../util/debug/trace.js";
import { printable, printableJson } from "../../util/printable.js";
import { commandLine } from "../command-line.js";
import { openOutput } from "../files/output.js";
import { rescue } from "../files/replace-file.js";
import { RunMetrics } from "../run-metrics.js";
import { Interrupted, type StopSignal, supervise } from "../supervise.js";
import { Ui, type UiOption } from "../ui/ui.js";

/** Options as parsed from the command line. */
export interface LabCommandOptions {
  readonly only?: string[];
  readonly quick?: boolean;
  readonly connections?: LabOptions["connections"];
  readonly totalMessageRate?: number;
  readonly loopback?: boolean;
  readonly engine?: LabOptions["engine"];
  readonly report?: string;
  readonly metrics?: string;
  readonly ui?: UiOption;
  readonly json?: boolean;
}

/** @returns the exit code */
export async function runLabCommand({ ui: option, ...command }: LabCommandOptions): Promise<number> {
  const { totalMessageRate: totalMessageRatePerSec, ...options } = command;
  // Reject invalid options before opening the page or creating any file.
  const { experiments } = resolveLab({ ...options, totalMessageRatePerSec });
  const ui = await Ui.open(option);
  try {
    return await runBeside(ui, experiments, command);
  } catch (error) {
    await ui?.fail(error);
    throw error;
  }
}

async function runBeside(
  ui: Ui | undefined,
  experiments: readonly Experiment[],
  command: LabCommandOptions,
): Promise<number> {
  const { json, report, totalMessageRate, metrics: listen, ...options } = command;
  await using metrics = await RunMetrics.open(listen);
  // Open the page first: an unwritable file should be reported before the minutes that the experiments take.
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
    const state = metrics && new LabState();
    metrics?.show(() => state!.families());
    const feed = ui && new (await import("../../output/live/lab-feed.js")).LabFeed(experiments);
    const done = runLab(
      { ...options, totalMessageRatePerSec: totalMessageRate, signal: stopping.signal },
      {
        testbedOpened: ({ description }) => print(placeLine(description)),
        begun: (experiment) => {
          state?.begin(experiment.id);
          feed?.begin(experiment.id);
          print(experimentHeading(experiment, paint));
        },
        ...((state || feed) && {
          client: (id, snapshot) => {
            state?.client(id, snapshot);
            feed?.client(id, snapshot);
          },
        }),
        progress: (text) => {
          feed?.progress(text);
          live?.show(`  ${text}`);
        },
        ended: (ended) => {
          state?.end(ended.verdict);
          feed?.end(ended);
          print(experimentText(ended, paint, process.stdout.columns));
        },
        failed: (error) => {
          if (process.env[DEBUG]) printNote(`${error instanceof Error ? error.stack : error}`);
        },
      },
      commandLine(),
    );
    const stop = (signal: StopSignal) => {
      stoppedBy = signal;
      stopping.abort();
      return done;
    };
    if (feed) ui?.show(feed, () => void stop("SIGINT").catch(() => undefined));
    const result = await supervise({ done, stop, abort: () => stopping.abort() });
    live?.clear();
    printResult(json ? result : labSummary(result, paint));
    await ui?.end(result);
    if (page) {
      await orRescue(result, json, async () =>
        page.write((await import("../../output/html/render.js")).render(result)),
      );
      if (!json && !page.isStandard) print(`\nreport: ${printable(report!)}`);
    }
    if (stoppedBy && result.stoppedIn) throw new Interrupted(stoppedBy);
    // Of all verdicts, only this one contradicts a claim.
    return result.experiments.some(({ verdict }) => verdict === "refuted" || verdict === "failed") ? 1 : 0;
  } finally {
    live?.end();
    page?.close();
  }
}

/** Saves the result elsewhere if its page cannot be written, so that minutes of measurements are not lost. */
async function orRescue(result: LabResult, isPrinted: boolean | undefined, write: () => Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    if (isPrinted) printNote("note: the result is on standard output; `fourtuple report` turns it into a page");
    else {
      const file = rescue("lab", ".json", `${printableJson(result)}\n`);
      if (file === undefined) printJson(result);
      else printNote(`note: the result is in ${file}; \`fourtuple report ${file}\` turns it into a page`);
    }
    throw error;
  }
}
