// The journal of changes: a line of JSON for each change, on the disk before the change is made, and a line for what became of
// it. Lines are only added. After a crash the last line may be torn: then its change was not made, for the line comes first.
// It is believed where nobody else can have written it (trust.ts), and line by line: one that --apply cannot have written is passed
// over.
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { output } from "zod";
import { readBootId, readNetNamespace } from "../linux/proc/identity.js";
import { EACCES, EEXIST, ENOENT, EPERM, EROFS, errnoName, errnoOf } from "../linux/syscalls/errno.js";
import { AppError } from "../util/errors.js";
import { z } from "../util/zod.js";
import { isSetting, isValueOf } from "./settings.js";
import { assertTrusted, openJournal } from "./trust.js";

/** A change that was about to be made. */
export interface JournalEntry {
  readonly id: string;
  /** ISO 8601. */
  readonly time: string;
  /** undefined when it could not be read. */
  readonly bootId?: string | undefined;
  /** Of a setting that each network namespace has for itself. */
  readonly netNamespace?: string | undefined;
  readonly name: string;
  readonly from: string;
  readonly to: string;
}

/** `done` and `failed` are what became of the change, `undone` and `expired` of its undoing. */
export type Mark = "done" | "failed" | "undone" | "expired";

/** An entry with the last of its marks. */
export interface KeptEntry extends JournalEntry {
  /** undefined when the program ended between the entry and the mark: whether the change was made, the setting tells. */
  readonly mark: Mark | undefined;
  /** What the kernel made of `to`. */
  readonly value: string | undefined;
}

/** @returns /var/lib/fourtuple/journal.jsonl for root, a file under $XDG_STATE_HOME (~/.local/state) for others */
export function defaultJournalFile(env: NodeJS.ProcessEnv = process.env, isRoot = process.getuid?.() === 0): string {
  const state = isRoot ? "/var/lib" : env.XDG_STATE_HOME || join(homedir(), ".local/state");
  return join(state, "fourtuple/journal.jsonl");
}

/** Where root's journal lies, for other users; undefined when there is none, as far as can be seen. */
export function findOthersJournal(journalFile: string): string | undefined {
  const ofRoot = defaultJournalFile({}, true);
  const isRoot = process.getuid?.() === 0;
  // Its folder is closed to others, but seen.
  return !isRoot && journalFile !== ofRoot && existsSync(dirname(ofRoot)) ? ofRoot : undefined;
}

/** A journal that lines are added to. */
export class Journal {
  private readonly fd: number;

  /**
   * @throws {Error} with an errno when the file can be neither opened nor made; its mode is 0600
   * @throws {AppError} E_SYSTEM when others can write to it
   */
  constructor(file: string) {
    makeFolder(dirname(file));
    this.fd = openJournal(file, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o600);
    try {
      assertTrusted(file, this.fd);
    } catch (error) {
      closeSync(this.fd);
      throw error;
    }
    const { size } = fstatSync(this.fd);
    const last = Buffer.alloc(1);
    // A torn line gets its end, so that the next one does not continue it.
    if (size > 0 && readSync(this.fd, last, 0, 1, size - 1) === 1 && last.toString() !== "\n") this.add("\n");
    syncFolder(dirname(file));
  }

  /**
   * Puts a change on the disk, before it is made.
   *
   * @throws {Error} with an errno when that fails: then the change must not be made
   */
  record(name: string, from: string, to: string): JournalEntry {
    const entry: JournalEntry = {
      id: randomUUID(),
      time: new Date().toISOString(),
      bootId: readBootId(),
      netNamespace: name.startsWith("net.") ? readNetNamespace() : undefined,
      name,
      from,
      to,
    };
    this.add(`${JSON.stringify(entry)}\n`);
    return entry;
  }

  /** Says what became of an entry. A mark that cannot be written is no harm: the setting itself tells as much. */
  mark({ id }: Pick<JournalEntry, "id">, mark: Mark, value?: string): void {
    try {
      this.add(`${JSON.stringify({ id, time: new Date().toISOString(), mark, value })}\n`);
    } catch {
      // A full disk: undo compares values.
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.fd);
  }

  private add(line: string): void {
    const bytes = Buffer.from(line);
    for (let sent = 0; sent < bytes.length; ) sent += writeSync(this.fd, bytes, sent);
    fsyncSync(this.fd);
  }
}

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
    const code = isRefusal(errno) ? "E_PERMISSION" : "E_SYSTEM";
    throw new AppError(code, `the journal ${file} cannot be read: ${errnoName(errno)}`, {
      cause,
      fix: "undo as the user who applied, or name the journal with --journal",
    });
  }
}

const text = z.string().max(200);

const entrySchema = z
  .object({
    id: text,
    time: text,
    bootId: text.optional(),
    netNamespace: text.optional(),
    name: text.refine(isSetting, "no setting that --apply writes"),
    from: z.string(),
    to: z.string(),
  })
  .refine(({ name, from, to }) => isValueOf(name, from) && isValueOf(name, to), "no values of that setting");

const markSchema = z.object({
  id: text,
  mark: z.enum(["done", "failed", "undone", "expired"]),
  // What the kernel made of it: compared, and never written.
  value: z.string().optional(),
});

/** @returns undefined for a line that is torn, a reason for one that this program has not written */
function parseLine(line: string): output<typeof entrySchema> | output<typeof markSchema> | string | undefined {
  let record: unknown;
  try {
    record = JSON.parse(line);
  } catch {
    return undefined;
  }
  const isMark = typeof record === "object" && record !== null && "mark" in record;
  const parsed = (isMark ? markSchema : entrySchema).safeParse(record);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  return path.length === 0 ? message : `${path.join(".")}: ${message}`;
}

/** Whether an errno means a missing privilege. */
export function isRefusal(errno: number): boolean {
  return [EACCES, EPERM, EROFS].includes(errno);
}

/** With the folders above it. Node's own way never ends where the kernel makes no folders, as in /proc. */
function makeFolder(folder: string, canRetry = true): void {
  try {
    mkdirSync(folder, { mode: 0o700 });
  } catch (error) {
    const errno = -errnoOf(error);
    if (errno === EEXIST) return;
    if (errno !== ENOENT || !canRetry) throw error;
    makeFolder(dirname(folder));
    makeFolder(folder, false);
  }
}

/** A file that was just made is there after a crash only when its folder is on the disk, too. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
