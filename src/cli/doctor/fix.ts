// Runs `fourtuple doctor --fix`, `--apply`, `--script` and `--undo`: shows, applies, exports or reverts changes.
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
    throw new AppError("E_OPTION", "--journal requires --apply or --undo", {
      fix: "add --apply or --undo, or omit --journal",
    });
  }
  return Boolean(fix || apply || undo || script);
}

/** @returns the exit code: 0 if done, 1 if a setting does not have the expected value, 3 if a privilege is missing */
export async function runFix(options: FixOptions, capacity: CapacityOptions): Promise<number> {
  if (options.undo) return undo(options);
  const { examine } = await import("../../capacity/predict.js");
  const { planChanges } = await import("../../tuning/changes.js");
  const { KERNEL_SETTINGS } = await import("../../tuning/apply.js");
  const { readUdpPorts } = await import("../../linux/proc/udp-ports.js");
  const plan = planChanges(await examine(capacity), KERNEL_SETTINGS.read, readUdpPorts());
  if (options.apply) {
    // A user who interrupts the measurement does not expect settings to change.
    if (capacity.signal?.aborted) throw new AppError("E_SYSTEM", "interrupted while measuring: nothing was changed");
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
  // Check the journal before the first change, so that an unusable journal is reported once rather than for every
  // change.
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
    throw new AppError("E_OPTION", `no journal found: ${journal}`, {
      fix: "use the file that --apply printed, or omit --journal to use the default",
    });
  }
  const report = undoChanges(journal);
  show(options, report, () => undoText(report, paintFor(process.stdout)));
  return exitCodeOf(
    report.outcomes.map(({ status }) => status),
    ["restored", "nothing-to-do"],
  );
}

/** Returns whether a file is known to be missing. A file that stat() cannot examine is assumed to exist. */
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
