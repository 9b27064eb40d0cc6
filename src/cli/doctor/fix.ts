// `fourtuple doctor --fix`, `--apply`, `--script` and `--undo`: shown, made, printed, taken back.
import { existsSync, lstatSync } from "node:fs";
import type { CapacityOptions } from "../../capacity/options.js";
import { printFile, printJson, printResult } from "../../output/terminal/output.js";
import { paintFor } from "../../output/terminal/paint.js";
import type { FixPlan } from "../../tuning/change.js";
import { AppError } from "../../util/errors.js";

export interface FixOptions {
  readonly fix?: boolean;
  readonly apply?: boolean;
  readonly undo?: boolean;
  readonly script?: boolean;
  readonly journal?: string;
  readonly json?: boolean;
}

const EXIT = { done: 0, failed: 1, privilege: 3 } as const;

export function isFixRequested({ fix, apply, undo, script, journal }: FixOptions): boolean {
  if (journal !== undefined && !apply && !undo) {
    throw new AppError("E_OPTION", "--journal without changes to record", { fix: "give --apply or --undo with it" });
  }
  return Boolean(fix || apply || undo || script);
}

/** @returns the exit code: 0 done, 1 something is not as it was to be, 3 a privilege is missing */
export async function runFix(options: FixOptions, capacity: CapacityOptions): Promise<number> {
  if (options.undo) return undo(options);
  const { examine } = await import("../../capacity/predict.js");
  const { planChanges } = await import("../../tuning/changes.js");
  const { KERNEL_SETTINGS } = await import("../../tuning/apply.js");
  const { readUdpPorts } = await import("../../linux/proc/udp-ports.js");
  const plan = planChanges(await examine(capacity), KERNEL_SETTINGS.read, readUdpPorts());
  if (options.apply) {
    // Who interrupts the measuring does not want to see settings change.
    if (capacity.signal?.aborted) throw new AppError("E_SYSTEM", "interrupted while measuring: nothing is changed");
    return apply(plan, options);
  }
  if (options.script) {
    const { scriptFor } = await import("../../tuning/script.js");
    const script = scriptFor(plan);
    if (options.json) printJson(script);
    else printFile(script.script);
  } else {
    const { fixText } = await import("../../output/text/fix.js");
    show(options, plan, () => fixText(plan, paintFor(process.stdout)));
  }
  return EXIT.done;
}

async function apply(plan: FixPlan, options: FixOptions): Promise<number> {
  const { applyPlan } = await import("../../tuning/apply.js");
  const { applyText } = await import("../../output/text/fix.js");
  const journal = await journalOf(options);
  // Before the first change, and in one sentence: what is wrong with the journal is wrong for all of them.
  const { readJournal } = await import("../../tuning/journal/reader.js");
  if (existsSync(journal)) readJournal(journal);
  const report = applyPlan(plan, journal);
  show(options, report, () => applyText(report, paintFor(process.stdout)));
  return exitCodeOf(
    report.outcomes.map(({ status }) => status),
    ["done"],
  );
}

async function undo(options: FixOptions): Promise<number> {
  const { undoChanges } = await import("../../tuning/undo.js");
  const { undoText } = await import("../../output/text/fix.js");
  const journal = await journalOf(options);
  if (options.journal !== undefined && isMissing(journal)) {
    throw new AppError("E_OPTION", `there is no journal ${journal}`, {
      fix: "give the file that --apply named, or leave out --journal for the usual one",
    });
  }
  const report = undoChanges(journal);
  show(options, report, () => undoText(report, paintFor(process.stdout)));
  return exitCodeOf(
    report.outcomes.map(({ status }) => status),
    ["restored", "nothing-to-do"],
  );
}

/** What cannot be looked at is there, for all that is known. */
function isMissing(file: string): boolean {
  try {
    return lstatSync(file, { throwIfNoEntry: false }) === undefined;
  } catch {
    return false;
  }
}

async function journalOf({ journal }: FixOptions): Promise<string> {
  return journal ?? (await import("../../tuning/journal/location.js")).defaultJournalFile();
}

function exitCodeOf(statuses: readonly string[], good: readonly string[]): number {
  if (statuses.includes("refused")) return EXIT.privilege;
  return statuses.every((status) => good.includes(status)) ? EXIT.done : EXIT.failed;
}

function show({ json }: FixOptions, result: object, text: () => string): void {
  printResult(json ? result : text());
}
