// Puts settings back to what they were before the journal's changes, the last one first. What somebody else has changed
// since is theirs.

import { readBootId, readNetNamespace } from "../linux/proc/identity.js";
import { errnoMeaning, errnoName, isForbidden } from "../linux/syscalls/errno.js";
import { KERNEL_SETTINGS, type Settings } from "./apply.js";
import type { KeptEntry, Mark } from "./journal/entries.js";
import { findOthersJournal } from "./journal/location.js";
import { type BadLine, readLineByLine } from "./journal/reader.js";
import { Journal } from "./journal/writer.js";
import { isSameValue, normalise, PORT_RANGE, RESERVED_PORTS } from "./value.js";

/**
 * `restored`: as it was before. `nothing to do`: it was so already. `left alone`: somebody else changed it, or it is not
 * of here. `refused`: it takes a privilege.
 */
export type UndoStatus = "restored" | "nothing-to-do" | "left-alone" | "refused" | "failed";

export interface UndoOutcome {
  readonly name: string;
  /** What the change was from, and so what undo goes back to. */
  readonly from: string;
  readonly to: string;
  /** When the change was made, ISO 8601. */
  readonly time: string;
  readonly status: UndoStatus;
  /** What is in force now; undefined when it cannot be read. */
  readonly value: string | undefined;
  readonly note: string | undefined;
}

export interface UndoReport {
  readonly kind: "undone";
  readonly version: 1;
  readonly journal: string;
  readonly outcomes: readonly UndoOutcome[];
  /**
   * Lines of the journal that a crash has cut short, and that no undo has said before. A torn line of a change comes before
   * the change, which so was not made; a torn line of what became of one is no harm, as undo compares values.
   */
  readonly tornLines: number;
  /** Lines that are whole and that --apply cannot have written: passed over, and told once. */
  readonly badLines: readonly BadLine[];
  /** Root's journal, where this user's own has nothing to undo. */
  readonly othersJournal: string | undefined;
}

/** @throws {AppError} E_PERMISSION or E_SYSTEM when the journal cannot be read, or is not to be trusted */
export function undoChanges(journalFile: string, settings: Settings = KERNEL_SETTINGS): UndoReport {
  const { entries, tornLines, badLines } = readLineByLine(journalFile);
  const open = entries.filter(({ mark }) => mark === undefined || mark === "done").reverse();
  const outcomes: UndoOutcome[] = [];
  const standing = new Set<string>();
  for (const entry of open) {
    const outcome = undoEntry(entry, settings, standing);
    if (outcome.status !== "restored" && outcome.status !== "nothing-to-do") standing.add(placeOf(entry));
    const mark = markOf(outcome, entry);
    if (mark) note(journalFile, entry, mark);
    outcomes.push(outcome);
  }
  if (tornLines > 0 || badLines.length > 0) note(journalFile, { id: "torn" }, "undone");
  const othersJournal = outcomes.length === 0 ? findOthersJournal(journalFile) : undefined;
  return { kind: "undone", version: 1, journal: journalFile, outcomes, tornLines, badLines, othersJournal };
}

/** What a change was made safe by stays as long as that change does: the last one is undone first. */
const SAFEGUARDS: Readonly<Record<string, string>> = { [RESERVED_PORTS]: PORT_RANGE };

/** @param standing changes after this one that are still in force, by placeOf() */
function undoEntry(entry: KeptEntry, { read, write }: Settings, standing: ReadonlySet<string>): UndoOutcome {
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
  if (isExpired(entry)) return end("nothing-to-do", "made before the host's last start, which has undone it");
  if (entry.bootId === undefined || readBootId() === undefined)
    return end("left-alone", "of an unknown start of the host");
  if (name.startsWith("net.") && entry.netNamespace !== readNetNamespace()) {
    return end("left-alone", `of another network namespace, ${entry.netNamespace ?? "unknown"}`);
  }
  if (present === undefined) return end("left-alone", "it cannot be read");
  const isOurs = isSameValue(name, present, to) || isSameValue(name, present, entry.value ?? to);
  if (!isOurs) {
    return isSameValue(name, present, from)
      ? end("nothing-to-do")
      : end(
          "left-alone",
          `changed by somebody else: it is neither what was set, ${to || "empty"}, nor what was before`,
        );
  }
  const guarded = SAFEGUARDS[name];
  if (guarded !== undefined && standing.has(placeOf({ ...entry, name: guarded }))) {
    return end("left-alone", `not safe while ${guarded} is not as it was: services' ports would be given away`);
  }
  const errno = -write(name, from);
  if (errno !== 0) return end(isForbidden(errno) ? "refused" : "failed", `${errnoName(errno)}, ${errnoMeaning(errno)}`);
  const value = read(name);
  return value !== undefined && isSameValue(name, value, from)
    ? end("restored", undefined, value)
    : end("failed", "the kernel did not take it back", value);
}

/** Network namespaces have settings of the same name. */
function placeOf({ name, netNamespace }: Pick<KeptEntry, "name" | "netNamespace">): string {
  return `${name} ${netNamespace ?? ""}`;
}

function isExpired({ bootId }: KeptEntry): boolean {
  const now = readBootId();
  return bootId !== undefined && now !== undefined && bootId !== now;
}

function markOf({ status }: UndoOutcome, entry: KeptEntry): Mark | undefined {
  if (isExpired(entry)) return "expired";
  return status === "restored" || status === "nothing-to-do" ? "undone" : undefined;
}

/** A journal that may be read but not written is no obstacle: undoing again finds nothing to do. */
function note(journalFile: string, entry: Pick<KeptEntry, "id">, mark: Mark): void {
  try {
    using journal = new Journal(journalFile);
    journal.mark(entry, mark);
  } catch {
    // It says so by itself the next time.
  }
}
