// Reverts the changes in the journal, last one first. Settings that have since been changed by others are left alone.

import { isRunning, readBootId, readNetNamespace } from "../linux/proc/identity.js";
import { errnoMeaning, errnoName, isForbidden } from "../linux/syscalls/errno.js";
import { interfaceIndex } from "../linux/syscalls/interface-names.js";
import { readNetCookie } from "../linux/syscalls/socket.js";
import { KERNEL_SETTINGS, type Settings } from "./apply.js";
import type { KeptEntry, Mark } from "./journal/entries.js";
import { findOthersJournal } from "./journal/location.js";
import { type BadLine, readLineByLine } from "./journal/reader.js";
import { Journal } from "./journal/writer.js";
import { interfaceOf, isOfNamespace } from "./settings.js";
import { isSameValue, normalise, PORT_RANGE, RESERVED_PORTS } from "./value.js";

/**
 * `restored`: the setting has its earlier value again. `nothing-to-do`: the setting already had that value.
 * `left-alone`: the setting was changed by someone else, or the change was made elsewhere. `refused`: reverting it
 * needs a privilege.
 */
export type UndoStatus = "restored" | "nothing-to-do" | "left-alone" | "refused" | "failed";

export interface UndoOutcome {
  readonly name: string;
  /** Value before the change, which undo restores. */
  readonly from: string;
  readonly to: string;
  /** Time of the change in ISO 8601. */
  readonly time: string;
  readonly status: UndoStatus;
  /** Current value; undefined if it cannot be read. */
  readonly value: string | undefined;
  readonly note: string | undefined;
}

export interface UndoReport {
  readonly kind: "undone";
  readonly version: 1;
  readonly journal: string;
  readonly outcomes: readonly UndoOutcome[];
  /**
   * Number of lines that a crash cut short and no earlier undo has reported. A torn line of a change precedes that
   * change, which was therefore not made. A torn line of an outcome is harmless, because undo compares values.
   */
  readonly tornLines: number;
  /** Complete lines that --apply cannot have written. These lines are skipped, and reported once. */
  readonly badLines: readonly BadLine[];
  /** Path of root's journal if this user's own has nothing to undo. */
  readonly othersJournal: string | undefined;
}

/**
 * Reverts all changes but those of runs that still need them.
 * @throws {AppError} E_PERMISSION or E_SYSTEM if the journal cannot be read or trusted
 */
export function undoChanges(journalFile: string, settings: Settings = KERNEL_SETTINGS): UndoReport {
  const { entries, tornLines, badLines } = readLineByLine(journalFile);
  const outcomes = revert(
    entries,
    () => true,
    settings,
    (entry, mark) => note(journalFile, entry, mark),
  );
  if (tornLines > 0 || badLines.length > 0) note(journalFile, { id: "torn" }, "undone");
  const othersJournal = outcomes.length === 0 ? findOthersJournal(journalFile) : undefined;
  return { kind: "undone", version: 1, journal: journalFile, outcomes, tornLines, badLines, othersJournal };
}

/**
 * Reverts some of the changes that are in effect, last one first.
 *
 * @param isWanted selects changes
 * @param mark records that a change was reverted
 */
export function revert(
  entries: readonly KeptEntry[],
  isWanted: (entry: KeptEntry) => boolean,
  settings: Settings,
  mark: (entry: KeptEntry, mark: Mark) => void,
): UndoOutcome[] {
  const inEffect = entries.filter(isInEffect);
  const outcomes: UndoOutcome[] = [];
  const standing = new Set<string>();
  for (const entry of inEffect.filter(isWanted).reverse()) {
    // A run that found the setting as it needs it has an entry of its own, and reverts the setting at its end.
    const heir = inEffect.find(
      (other) => placeOf(other) === placeOf(entry) && (isOfOtherRun(other) || (!isWanted(other) && isOfRun(other))),
    );
    const outcome = undoEntry(entry, settings, standing, heir);
    if (outcome.status !== "restored" && outcome.status !== "nothing-to-do") standing.add(placeOf(entry));
    const made = markOf(outcome, entry) ?? (isOvertaken(outcome, entry) ? "undone" : undefined);
    if (made) mark(entry, made);
    outcomes.push(outcome);
  }
  return outcomes;
}

/** Returns whether a change was made, or may have been, and has not been reverted. */
export function isInEffect({ mark }: KeptEntry): boolean {
  return mark === undefined || mark === "done";
}

/** Returns whether a change was made in this network namespace, or in one of a setting that all of them share. */
export function isOfHere({ name, netNamespace, netCookie }: KeptEntry): boolean {
  if (!isOfNamespace(name)) return true;
  const cookie = netCookie === undefined ? undefined : readNetCookie();
  return netNamespace === readNetNamespace() && cookie === netCookie;
}

/** Returns whether a change belongs to a run that still needs it. */
function isOfRun({ owner }: KeptEntry): boolean {
  return owner !== undefined && isRunning(owner) === true;
}

function isOfOtherRun(entry: KeptEntry): boolean {
  return isOfRun(entry) && entry.owner!.pid !== process.pid;
}

/** Returns whether another program has changed a setting after a run did. Nobody will revert the run's change then. */
function isOvertaken({ status, value }: UndoOutcome, entry: KeptEntry): boolean {
  const { name, to, owner } = entry;
  if (status !== "left-alone" || value === undefined || owner === undefined || isOfOtherRun(entry)) return false;
  return isOfHere(entry) && ![to, entry.value ?? to].some((ours) => isSameValue(name, value, ours));
}

/** Changes that must stay in effect as long as another change does; they are undone after it. */
const SAFEGUARDS: Readonly<Record<string, string>> = { [RESERVED_PORTS]: PORT_RANGE };

/** @param standing later changes that are still in effect, by placeOf() */
function undoEntry(
  entry: KeptEntry,
  { read, write }: Settings,
  standing: ReadonlySet<string>,
  heir: KeptEntry | undefined,
): UndoOutcome {
  const { name, from, to, time } = entry;
  const present = read(name);
  const end = (status: UndoStatus, reason?: string, value = present): UndoOutcome => ({
    name,
    from,
    to,
    time,
    status,
    value: value === undefined ? undefined : normalise(name, value),
    note: reason,
  });
  if (isExpired(entry)) return end("nothing-to-do", "made before the last boot, which reverted it");
  if (entry.bootId === undefined || readBootId() === undefined)
    return end("left-alone", "made during an unknown boot of this host");
  if (!isOfHere(entry)) {
    return end("left-alone", `made in another network namespace, ${entry.netNamespace ?? "unknown"}`);
  }
  if (present === undefined) {
    const link = interfaceOf(name);
    const isGone = link !== undefined && interfaceIndex(link) === 0;
    return isGone ? end("nothing-to-do", `there is no ${link} any more`) : end("left-alone", "cannot be read");
  }
  if (isOfOtherRun(entry)) return end("left-alone", `in use by a run, process ${entry.owner!.pid}, until its end`);
  if (heir) return end("nothing-to-do", `process ${heir.owner!.pid} needs it now, and reverts it at its end`);
  const isOurs = isSameValue(name, present, to) || isSameValue(name, present, entry.value ?? to);
  if (!isOurs) {
    return isSameValue(name, present, from)
      ? end("nothing-to-do")
      : end("left-alone", `changed by another program after --apply set ${to || "nothing"}`);
  }
  const guarded = SAFEGUARDS[name];
  if (guarded !== undefined && standing.has(placeOf({ ...entry, name: guarded }))) {
    return end("left-alone", `not safe until ${guarded} is reverted: clients could take the ports of services`);
  }
  const errno = -write(name, from);
  if (errno !== 0) return end(isForbidden(errno) ? "refused" : "failed", `${errnoName(errno)}, ${errnoMeaning(errno)}`);
  const value = read(name);
  return value !== undefined && isSameValue(name, value, from)
    ? end("restored", undefined, value)
    : end("failed", "the kernel did not accept the old value", value);
}

/** Identifies a setting, because network namespaces have settings of the same name. */
function placeOf({ name, netNamespace }: Pick<KeptEntry, "name" | "netNamespace">): string {
  return `${name} ${netNamespace ?? ""}`;
}

/** Returns whether a change was made before the last boot, which reverted it. */
export function isExpired({ bootId }: KeptEntry): boolean {
  const now = readBootId();
  return bootId !== undefined && now !== undefined && bootId !== now;
}

function markOf({ status }: UndoOutcome, entry: KeptEntry): Mark | undefined {
  if (isExpired(entry)) return "expired";
  return status === "restored" || status === "nothing-to-do" ? "undone" : undefined;
}

/** Marks an entry. A journal that cannot be written is not an error: the next undo will find nothing to do. */
function note(journalFile: string, entry: Pick<KeptEntry, "id">, mark: Mark): void {
  try {
    using journal = new Journal(journalFile);
    journal.mark(entry, mark);
  } catch {
    // The next undo will report it again.
  }
}
