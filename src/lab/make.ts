// One experiment from its run to its result: what it says of itself, or why it could say nothing.
import { once } from "node:events";
import { AppError } from "../base/errors.js";
import type { Experiment, LabContext } from "./experiment.js";
import type { ExperimentResult, Verdict } from "./result.js";

/** Codes by which the host, not the lab, is the reason: it forbids something, or has no such thing. */
const NOT_POSSIBLE = ["E_PERMISSION", "E_PLATFORM"];

/**
 * Makes an experiment. Nothing of it runs in the hosts afterwards.
 *
 * @param failed told of an error that is a mistake of ours, for whoever looks for it
 * @returns undefined when the lab was stopped meanwhile
 */
export async function makeExperiment(
  experiment: Experiment,
  context: LabContext,
  failed?: (error: unknown) => void,
): Promise<ExperimentResult | undefined> {
  const { signal, place } = context;
  if (signal.aborted) return undefined;
  const made = new AbortController();
  const stopped = once(signal, "abort", { signal: made.signal }).then(() => undefined);
  stopped.catch(() => undefined);
  try {
    const result = await Promise.race([judge(experiment, context, failed), stopped]);
    return signal.aborted ? undefined : result;
  } finally {
    made.abort();
    // One that was broken off has left something running, on the port that the next one wants.
    await Promise.all([place.client.settle(), place.server.settle()]);
  }
}

async function judge(
  experiment: Experiment,
  context: LabContext,
  failed: ((error: unknown) => void) | undefined,
): Promise<ExperimentResult> {
  const { id, title, claims, claim } = experiment;
  const startMs = performance.now();
  try {
    const outcome = await experiment.run(context);
    return { id, title, claims, claim, ...outcome, elapsedMs: performance.now() - startMs };
  } catch (error) {
    if (!(error instanceof AppError)) failed?.(error);
    return {
      ...{ id, title, claims, claim },
      setup: "-",
      commands: [],
      prediction: "-",
      observed: "-",
      ...whyNot(error),
      elapsedMs: performance.now() - startMs,
      evidence: [],
    };
  }
}

function whyNot(error: unknown): { verdict: Verdict; reason: string } {
  if (!(error instanceof AppError)) {
    return { verdict: "failed", reason: inOneLine(`unexpected: ${error instanceof Error ? error.message : error}`) };
  }
  const { code, message, fix } = error;
  return {
    verdict: NOT_POSSIBLE.includes(code) ? "not possible here" : "failed",
    reason: inOneLine(fix === undefined ? message : `${message}\nfix: ${fix}`),
  };
}

/** What programs say on standard error has lines. */
function inOneLine(text: string): string {
  return text.trim().replace(/\s*\n\s*/g, "; ");
}
