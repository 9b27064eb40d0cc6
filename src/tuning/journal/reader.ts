// Reads a journal: it is believed where nobody else can have written it (trust.ts), and line by line: one that --apply cannot
// have written is passed over.
import { closeSync, constants, readFileSync } from "node:fs";
import { ENOENT, errnoName, errnoOf, isForbidden } from "../../linux/syscalls/errno.js";
import { AppError } from "../../util/errors.js";
import { type KeptEntry, parseLine } from "./entries.js";
import { assertTrusted, openJournal } from "./trust.js";

/**
 * The entries of a journal in the order in which they were made; none when there is no such file. Torn lines count until
 * something after them was undone.
 *
 * @throws {AppError} E_PERMISSION when the file may not be read, E_SYSTEM when it cannot
 */
export function readJournal(file: string): { readonly entries: KeptEntry[]; readonly tornLines: number } {
  const { entries, tornLines, badLines } = readLineByLine(file);
  return { entries, tornLines: tornLines + badLines.length };
}

/** A line that is whole, and no change of this program's. */
export interface BadLine {
  /** From 1. */
  readonly line: number;
  readonly reason: string;
}

/** The same, with what is wrong with each line that is whole. */
export function readLineByLine(file: string): {
  readonly entries: KeptEntry[];
  readonly tornLines: number;
  readonly badLines: readonly BadLine[];
} {
  const entries = new Map<string, KeptEntry>();
  let tornLines = 0;
  let badLines: BadLine[] = [];
  for (const [index, line] of readLines(file).entries()) {
    if (line === "") continue;
    const record = parseLine(line);
    if (record === undefined) tornLines++;
    else if (typeof record === "string") badLines.push({ line: index + 1, reason: record });
    else if (!("mark" in record)) entries.set(record.id, { ...record, mark: undefined, value: undefined });
    else {
      const entry = entries.get(record.id);
      // An undo has told of those before it.
      if (record.mark === "undone") [tornLines, badLines] = [0, []];
      if (entry) entries.set(record.id, { ...entry, mark: record.mark, value: record.value ?? entry.value });
    }
  }
  return { entries: [...entries.values()], tornLines, badLines };
}

function readLines(file: string): string[] {
  try {
    const fd = openJournal(file, constants.O_RDONLY);
    try {
      assertTrusted(file, fd);
      return readFileSync(fd, "utf8").split("\n");
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    if (cause instanceof AppError) throw cause;
    const errno = -errnoOf(cause);
    if (errno === ENOENT) return [];
    const code = isForbidden(errno) ? "E_PERMISSION" : "E_SYSTEM";
    throw new AppError(code, `the journal ${file} cannot be read: ${errnoName(errno)}`, {
      cause,
      fix: "undo as the user who ran --apply, or name the journal with --journal",
    });
  }
}
