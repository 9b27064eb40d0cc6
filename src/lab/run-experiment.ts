// Runs one experiment and converts its outcome or error to a result.
import { once } from "node:events";
import { loadBetween, readCpuTimes } from "../linux/proc/host-cpu.js";
import type { HostLoad } from "../results/fields.js";
import type { ExperimentResult, LabVerdict } from "../results/lab/lab.js";
import { AppError } from "../util/errors.js";
import { describeHostLoad, isBusy } from "../util/host-load.js";
import { formatDuration } from "../util/units.js";
import type { Experiment, LabContext, Outcome } from "./experiment.js";
import { withEngine } from "./reproduce.js";

/** Codes of errors caused by the host rather than the lab: something is forbidden or missing. */
const NOT_POSSIBLE = ["E_PERMISSION", "E_PLATFORM"];

export interface RunExperimentOptions {
  /** Called with the exception if the experiment failed because of a bug. */
  readonly failed?: ((error: unknown) => void) | undefined;
  /** Time after which the experiment is aborted as inconclusive; by default, never. */
  readonly budgetMs?: number | undefined;
}

/**
 * Runs an experiment, and ends everything that it started in the hosts.
 *
 * @returns undefined if the lab was stopped in the meantime
 */
export async function runExperiment(
  experiment: Experiment,
  context: LabContext,
  { failed, budgetMs }: RunExperimentOptions = {},
): Promise<ExperimentResult | undefined> {
  const { signal, testbed, engine } = context;
  if (signal.aborted) return undefined;
  const { id, title, claims, claim } = experiment;
  const startMs = performance.now();
  const before = readCpuTimes();
  const made = new AbortController();
  const over = AbortSignal.any([signal, made.signal]);
  const own: LabContext = {
    ...context,
    testbed: { ...testbed, client: testbed.client.within(over, engine), server: testbed.server.within(over, engine) },
    signal: over,
  };
  const stopped = once(signal, "abort", { signal: made.signal }).then(() => undefined);
  stopped.catch(() => undefined);
  let timer: NodeJS.Timeout | undefined;
  const isLate = new Promise<Outcome>((resolve) => {
    if (budgetMs !== undefined) timer = setTimeout(() => resolve(brokenOff(budgetMs)), budgetMs);
  });
  let outcome: Outcome | undefined;
  const isBrokenOff = () => budgetMs !== undefined && performance.now() - startMs >= budgetMs;
  try {
    outcome = await Promise.race([judge(experiment, own, failed), isLate, stopped]);
  } finally {
    clearTimeout(timer);
    made.abort();
    // The time is up, so kill the programs rather than wait for an orderly shutdown.
    if (isBrokenOff()) testbed.kill();
    // An aborted experiment may have left a process running on the port that the next one needs.
    await Promise.all([testbed.client.settle(), testbed.server.settle()]);
  }
  if (isBrokenOff() && !signal.aborted) await testbed.client.restoreSysctls().catch(() => undefined);
  if (signal.aborted || outcome === undefined) return undefined;
  const hostLoad = loadBetween(before, readCpuTimes());
  const { isTimed, ...said } = outcome;
  return {
    ...{ id, title, claims, claim },
    ...said,
    commands: said.commands.map((line) => withEngine(line, engine)),
    ...weigh(outcome, hostLoad),
    elapsedMs: performance.now() - startMs,
    ...(hostLoad && { hostLoad }),
  };
}

/** Makes a refutation inconclusive if it depends on timing and the host was busy. */
function weigh({ verdict, reason, isTimed }: Outcome, load: HostLoad | undefined): Pick<Outcome, "verdict" | "reason"> {
  const isDoubtful = verdict === "refuted" && isTimed === true && isBusy(load);
  if (verdict !== "inconclusive" && !isDoubtful) return { verdict, reason };
  const busy = describeHostLoad(load);
  const why = busy === undefined ? [] : [`during the measurement ${busy}`];
  return { verdict: "inconclusive", reason: [reason ?? "the measurement is inconclusive", ...why].join("; ") };
}

async function judge(
  experiment: Experiment,
  context: LabContext,
  failed: RunExperimentOptions["failed"],
): Promise<Outcome> {
  try {
    return await experiment.run(context);
  } catch (error) {
    // Work still in progress after the end of the lab is bound to fail, which is not a bug.
    if (!(error instanceof AppError) && !context.signal.aborted) failed?.(error);
    return { ...NOTHING, ...whyNot(error) };
  }
}

const NOTHING = { setup: "-", commands: [], prediction: "-", observed: "-", evidence: [] } as const;

function brokenOff(budgetMs: number): Outcome {
  const reason = `not finished within the ${formatDuration(budgetMs)} allowed in a quick run`;
  return { ...NOTHING, verdict: "inconclusive", reason };
}

function whyNot(error: unknown): { verdict: LabVerdict; reason: string } {
  if (!(error instanceof AppError)) {
    return { verdict: "failed", reason: inOneLine(`unexpected: ${error instanceof Error ? error.message : error}`) };
  }
  const { code, message, fix } = error;
  return {
    verdict: NOT_POSSIBLE.includes(code) ? "skipped" : "failed",
    reason: inOneLine(fix === undefined ? message : `${message}\nfix: ${fix}`),
  };
}

/** Joins lines, because messages on standard error may span several. */
function inOneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, "; ");
}
