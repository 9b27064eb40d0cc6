// Applies the changes that this program can make, one by one: records each in the journal, syncs the journal to disk,
// writes the setting and reads it back.

import { parseProxySetting, readProxySetting, writeProxySetting } from "../linux/neighbours/proxies.js";
import { probeSysctl, readSysctl, writeSysctl } from "../linux/proc/sysctl.js";
import { EACCES, ENOENT, EROFS, errnoMeaning, errnoName, errnoOf, isForbidden } from "../linux/syscalls/errno.js";
import { AppError } from "../util/errors.js";
import type { Change, FixPlan, ReadSetting } from "./change.js";
import type { JournalEntry } from "./journal/entries.js";
import { Journal } from "./journal/writer.js";
import { isSetting, isValueOf } from "./settings.js";
import { isSameValue, normalise, parseNumbers } from "./value.js";

/** Access to the kernel's settings. Writing functions return 0 or a negative errno. */
export interface Settings {
  readonly read: ReadSetting;
  /** Checks whether a setting may be written. */
  readonly probe: (name: string) => number;
  readonly write: (name: string, value: string) => number;
}

export const KERNEL_SETTINGS: Settings = {
  read: (name) => (parseProxySetting(name) ? readProxySetting(name) : readSysctl(name)),
  probe: (name) => (parseProxySetting(name) ? 0 : probeSysctl(name)),
  write: (name, value) => (parseProxySetting(name) ? writeProxySetting(name, value) : writeSysctl(name, value)),
};

/**
 * `done`: the change is in effect. `refused`: the change needs a privilege. `failed`: any other error occurred, or
 * the kernel set a lower value than requested.
 */
export type ChangeStatus = "done" | "refused" | "failed";

export interface ChangeOutcome {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  readonly status: ChangeStatus;
  /** Current value; undefined if it cannot be read. */
  readonly value: string | undefined;
  /** Reason for a failure, or a remark. */
  readonly note: string | undefined;
}

export interface ApplyReport {
  readonly kind: "applied";
  readonly version: 1;
  readonly plan: FixPlan;
  readonly journal: string;
  readonly outcomes: readonly ChangeOutcome[];
}

/** Applies the sysctls of a plan. Process limits and advice are for the user to act on. */
export function applyPlan(plan: FixPlan, journal: string, settings: Settings = KERNEL_SETTINGS): ApplyReport {
  const outcomes: ChangeOutcome[] = [];
  for (const change of plan.changes.filter(({ kind }) => kind === "sysctl")) {
    outcomes.push(applyChange(change, outcomes, journal, settings));
  }
  return { kind: "applied", version: 1, plan, journal, outcomes };
}

function applyChange(
  change: Change,
  before: readonly ChangeOutcome[],
  journalFile: string,
  settings: Settings,
): ChangeOutcome {
  const { name, from = "", to = "", requires } = change;
  const present = settings.read(name);
  const end = (status: ChangeStatus, note?: string, value = present): ChangeOutcome => ({
    name,
    from,
    to,
    status,
    value: value === undefined ? undefined : normalise(name, value),
    note,
  });
  if (present === undefined) return end("failed", "cannot be read, so it could not be undone");
  if (!isSameValue(name, present, from))
    return end("failed", "changed by another program just now: left alone; run the command again");
  if (before.some((outcome) => outcome.name === requires && outcome.status !== "done")) {
    return end("failed", `not safe without ${requires}`);
  }
  if (!isSetting(name) || !isValueOf(name, to)) return end("failed", "--undo could not revert it: change it by hand");
  const probed = settings.probe(name);
  if (probed < 0) return end(...refusal(-probed, change));
  try {
    using journal = new Journal(journalFile);
    // A run trims a journal that has nothing to undo.
    journal.lock();
    return make(journal, journal.record(name, normalise(name, from), to), settings, end);
  } catch (error) {
    if (error instanceof AppError) return end("failed", error.message);
    const errno = -errnoOf(error);
    return end(
      isForbidden(errno) ? "refused" : "failed",
      `the journal ${journalFile} cannot be written: ${formatErrno(errno)}`,
    );
  }
}

function make(
  journal: Journal,
  entry: JournalEntry,
  { read, write }: Settings,
  end: (status: ChangeStatus, note?: string, value?: string) => ChangeOutcome,
): ChangeOutcome {
  const { name, to } = entry;
  const errno = -write(name, to);
  const value = read(name);
  if (errno !== 0) {
    // The kernel processes a long list in pieces, so a failed write may be partly in effect and must be undone.
    journal.mark(entry, value !== undefined && isSameValue(name, value, entry.from) ? "failed" : "done", value);
    return end(isForbidden(errno) ? "refused" : "failed", formatErrno(errno), value);
  }
  journal.mark(entry, "done", value);
  if (value === undefined || isSameValue(name, value, to)) return end("done", undefined, value);
  return isAtLeast(value, to)
    ? end("done", "the kernel rounded the value up", value)
    : end("failed", "the kernel accepted a lower value", value);
}

function isAtLeast(value: string, to: string): boolean {
  const wanted = parseNumbers(to) ?? [];
  const got = parseNumbers(value) ?? [];
  return got.length === wanted.length && got.every((number, i) => number >= wanted[i]!);
}

function refusal(errno: number, { privilege, container }: Change): [ChangeStatus, string] {
  if (errno === EROFS) {
    const outside = container?.startsWith("--") ? `start the container with ${container}` : "set it on the host";
    return ["refused", `/proc/sys is read-only here, as is usual in a container: ${outside}`];
  }
  if (errno === EACCES) return ["refused", `needs ${privilege}; in a container or a namespace, set it on the host`];
  if (errno === ENOENT) return ["failed", "no such setting here: the host's own network namespace may have it"];
  return [isForbidden(errno) ? "refused" : "failed", formatErrno(errno)];
}

function formatErrno(errno: number): string {
  return `${errnoName(errno)}, ${errnoMeaning(errno)}`;
}
