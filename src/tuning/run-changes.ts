// Changes of settings for the duration of a run: recorded in the journal with the run's process as their owner, and
// reverted at the end of the run. If the process is killed, the next run reverts them, or `doctor --undo` does.
import { existsSync } from "node:fs";
import { isRunning, ownIdentity, type ProcessIdentity } from "../linux/proc/identity.js";
import { errnoMeaning, errnoName, errnoOf, isForbidden } from "../linux/syscalls/errno.js";
import type { NeededSetting } from "../planning/packet/network.js";
import { AppError } from "../util/errors.js";
import { KERNEL_SETTINGS, type Settings } from "./apply.js";
import type { KeptEntry } from "./journal/entries.js";
import { readJournal } from "./journal/reader.js";
import { Journal } from "./journal/writer.js";
import { isSetting, isValueOf } from "./settings.js";
import { isExpired, isInEffect, isOfHere, revert, type UndoOutcome } from "./undo.js";
import { isSameValue, normalise } from "./value.js";

/**
 * Reverts what earlier runs in this network namespace have left behind because they were killed.
 *
 * @returns changes that were reverted, or could not be
 * @throws {AppError} E_PERMISSION or E_SYSTEM if the journal cannot be read or trusted
 */
export function undoLeftovers(journalFile: string, settings: Settings = KERNEL_SETTINGS): UndoOutcome[] {
  return undoOwned(
    journalFile,
    (entry) => entry.owner !== undefined && isRunning(entry.owner) === false && isOfHere(entry),
    settings,
  );
}

/** The changes of one run. */
export class RunChanges {
  readonly #journalFile: string;
  readonly #settings: Settings;
  readonly #owner: ProcessIdentity;
  /** Also kept here, because the journal may be gone at the end of the run. */
  #made: readonly KeptEntry[] = [];

  /** @throws {AppError} E_PLATFORM without /proc, because a later run could not tell whether this one has ended */
  constructor(journalFile: string, settings: Settings = KERNEL_SETTINGS) {
    const owner = ownIdentity();
    if (!owner) throw new AppError("E_PLATFORM", "--apply needs /proc", { fix: "mount /proc" });
    this.#journalFile = journalFile;
    this.#settings = settings;
    this.#owner = owner;
  }

  /**
   * Makes all changes. Settings that another run has changed and still needs are recorded as well, so that they outlast
   * that run, and so are its `resets`: the last of the runs reverts them.
   *
   * @param resets settings, now 1, that become 0 when the others are reverted
   * @throws {AppError} E_PERMISSION or E_SYSTEM, after reverting what was done, if a change cannot be made
   */
  make(needed: readonly NeededSetting[], resets: readonly string[] = []): void {
    try {
      using journal = openLocked(this.#journalFile);
      const inEffect = readJournal(this.#journalFile).entries.filter(isInEffect);
      if (inEffect.every(isExpired)) journal.trim();
      const ofOthers = inEffect.filter((entry) => entry.owner !== undefined && isOfHere(entry));
      // Changes are reverted last one first, so these are set again after that.
      const resetByOthers = ofOthers.filter(isReset).map(({ name }) => name);
      for (const name of new Set([...resets, ...resetByOthers])) this.#record(journal, name, "1", "0", "0");
      for (const setting of needed) this.#makeOne(journal, setting, ofOthers);
    } catch (error) {
      this.undo();
      throw error;
    }
  }

  /** Reverts the changes. Repeated calls have no further effect. Never throws. @returns what could not be reverted */
  undo(): readonly UndoOutcome[] {
    const made = this.#made;
    this.#made = [];
    if (made.length === 0) return [];
    return this.#revert(made).filter(({ status }) => status !== "restored" && status !== "nothing-to-do");
  }

  #revert(made: readonly KeptEntry[]): UndoOutcome[] {
    const unrecorded = (entries: readonly KeptEntry[]) =>
      revert(
        entries,
        () => true,
        this.#settings,
        () => undefined,
      );
    try {
      const recorded = new Set(readJournal(this.#journalFile).entries.map(({ id }) => id));
      const own = new Set(made.map(({ id }) => id));
      return [
        ...unrecorded(made.filter(({ id }) => !recorded.has(id))),
        ...undoOwned(this.#journalFile, ({ id }) => own.has(id), this.#settings),
      ];
    } catch {
      // Nobody can write to the journal, or trust it, any more.
      return unrecorded(made);
    }
  }

  #makeOne(journal: Journal, { name, to }: NeededSetting, ofOthers: readonly KeptEntry[]): void {
    const { read, write } = this.#settings;
    const present = read(name);
    if (present === undefined) throw new AppError("E_SYSTEM", `${name} cannot be read, so it could not be reverted`);
    if (isSameValue(name, present, to)) {
      const earlier = ofOthers.find((entry) => entry.name === name);
      if (earlier) this.#record(journal, name, earlier.from, to, present);
      return;
    }
    if (!isSetting(name) || !isValueOf(name, to) || !isValueOf(name, present)) {
      throw new AppError("E_SYSTEM", `${name} could not be reverted: change it by hand`);
    }
    const entry = this.#record(journal, name, normalise(name, present), to);
    const errno = -write(name, to);
    const value = read(name);
    journal.mark(entry, "done", value);
    if (errno === 0 && value !== undefined && isSameValue(name, value, to)) return;
    const why = errno === 0 ? "the kernel did not accept the value" : `${errnoName(errno)}, ${errnoMeaning(errno)}`;
    throw new AppError(isForbidden(errno) ? "E_PERMISSION" : "E_SYSTEM", `cannot set ${name} to ${to}: ${why}`, {
      fix: "run it as root; in a container, make the changes on the host, or use a network namespace of its own",
    });
  }

  #record(journal: Journal, name: string, from: string, to: string, value?: string) {
    const entry = journal.record(name, from, to, this.#owner);
    this.#made = [...this.#made, { ...entry, mark: undefined, value }];
    if (value !== undefined) journal.mark(entry, "done", value);
    return entry;
  }
}

/** Returns whether an entry is one of those for `resets`. Runs set forwarding to 1 only. */
function isReset({ name, to }: KeptEntry): boolean {
  return name.endsWith(".forwarding") && to === "0";
}

function undoOwned(journalFile: string, isWanted: (entry: KeptEntry) => boolean, settings: Settings): UndoOutcome[] {
  if (!existsSync(journalFile)) return [];
  // Most runs have nothing to undo, and must not need to write.
  if (!readJournal(journalFile).entries.some((entry) => isInEffect(entry) && isWanted(entry))) return [];
  using journal = openLocked(journalFile);
  return revert(readJournal(journalFile).entries, isWanted, settings, (entry, mark) => journal.mark(entry, mark));
}

/** @throws {AppError} E_PERMISSION or E_SYSTEM if the journal cannot be written */
function openLocked(journalFile: string): Journal {
  try {
    const journal = new Journal(journalFile);
    journal.lock();
    return journal;
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const errno = -errnoOf(cause);
    const code = isForbidden(errno) ? "E_PERMISSION" : "E_SYSTEM";
    throw new AppError(code, `the journal ${journalFile} cannot be written: ${errnoName(errno)}`, {
      cause,
      fix: "run it as root, or name another file with --journal",
    });
  }
}
