// Writes the journal of changes: a line of JSON for each change, on the disk before the change is made, and a line for what
// became of it. Lines are only added. After a crash the last line may be torn: then its change was not made, for the line comes
// first.
import { randomUUID } from "node:crypto";
import { closeSync, constants, fstatSync, fsyncSync, mkdirSync, openSync, readSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { readBootId, readNetNamespace } from "../../linux/proc/identity.js";
import { EEXIST, ENOENT, errnoOf } from "../../linux/syscalls/errno.js";
import type { JournalEntry, Mark } from "./entries.js";
import { assertTrusted, openJournal } from "./trust.js";

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
