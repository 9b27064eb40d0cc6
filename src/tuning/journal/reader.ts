// Reads a journal. The journal is trusted only if no other user can have written it (trust.ts); lines that --apply
// cannot have written are skipped.
import { closeSync, constants, readFileSync } from "node:fs";
import { EISDIR, ENOENT, errnoName, errnoOf, isForbidden } from "../../linux/syscalls/errno.js";
import { AppError } from "../../util/errors.js";
import { type KeptEntry, parseLine } from "./entries.js";
import { assertTrusted, openJournal } from "./trust.js";

/**
 * Returns the entries of a journal in the order in which they were made; empty if the file does not exist. Torn lines
 * are counted until a later undo.
 *
 * @throws {AppError} E_PERMISSION if the file may not be read, E_SYSTEM if reading fails
 */
export function readJournal(file: string): { readonly entries: KeptEntry[]; readonly tornLines: number } {
  const { entries, tornLines, badLines } = readLineByLine(file);
  return { entries, tornLines: tornLines + badLines.length };
}

/** This is a complete line that this program cannot have written. */
export interface BadLine {
  /** Line number, starting at 1. */
  readonly line: number;
  readonly reason: string;
}

/** Like readJournal(), but also returns what is wrong with each complete line. */
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
      // An undo has already reported the invalid lines before this one.
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
      fix:
        errno === EISDIR
          ? "name a file in that folder with --journal"
          : "run --undo as the user who ran --apply, or pass the journal with --journal",
    });
  }
}
