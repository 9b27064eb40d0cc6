// Writes the journal of changes as lines of JSON. Each change is synced to disk before it is made, and a second line
// records its outcome. Lines are only appended. After a crash, the last line may be torn; its change was not made,
// because the line is written first.
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { type ProcessIdentity, readBootId, readNetNamespace } from "../../linux/proc/identity.js";
import { EEXIST, ENOENT, errnoOf } from "../../linux/syscalls/errno.js";
import { libc } from "../../linux/syscalls/libc.js";
import { readNetCookie } from "../../linux/syscalls/socket.js";
import { AppError } from "../../util/errors.js";
import { isOfNamespace } from "../settings.js";
import type { JournalEntry, Mark } from "./entries.js";
import { assertTrusted, openJournal } from "./trust.js";

/** LOCK_EX | LOCK_NB. */
const LOCK_AT_ONCE = 2 | 4;
/** Runs hold the lock for a few writes. */
const LOCK_WAIT_MS = 10_000;
const LOCK_POLL_MS = 10;
const TRIMMED_BYTES = 1024 ** 2;

/** Journal open for appending. */
export class Journal {
  private readonly file: string;
  private readonly fd: number;

  /**
   * @throws {Error} with an errno if the file can be neither opened nor created (mode 0600)
   * @throws {AppError} E_SYSTEM if other users can write to the file
   */
  constructor(file: string) {
    this.file = file;
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
    // Terminate a torn line, so that the next one does not continue it.
    if (size > 0 && readSync(this.fd, last, 0, 1, size - 1) === 1 && last.toString() !== "\n") this.add("\n");
    syncFolder(dirname(file));
  }

  /**
   * Writes a change to disk before it is made.
   *
   * @param owner the run that reverts the change at its end
   * @throws {Error} with an errno on failure, in which case the change must not be made
   */
  record(name: string, from: string, to: string, owner?: ProcessIdentity): JournalEntry {
    const entry: JournalEntry = {
      id: randomUUID(),
      time: new Date().toISOString(),
      bootId: readBootId(),
      netNamespace: isOfNamespace(name) ? readNetNamespace() : undefined,
      netCookie: isOfNamespace(name) ? readNetCookie() : undefined,
      owner,
      name,
      from,
      to,
    };
    this.add(`${JSON.stringify(entry)}\n`);
    return entry;
  }

  /**
   * Waits until no other process has locked the journal, and locks it until it is closed.
   *
   * @throws {AppError} E_SYSTEM if another process keeps it locked
   */
  lock(waitMs: number = LOCK_WAIT_MS): void {
    const endMs = performance.now() + waitMs;
    // A call that blocks could be ended only by SIGKILL.
    while (libc.flock(this.fd, LOCK_AT_ONCE) !== 0) {
      if (performance.now() > endMs) {
        throw new AppError("E_SYSTEM", `the journal ${this.file} is locked by another process`, {
          fix: "find the process with lslocks, and end it",
        });
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_POLL_MS);
    }
  }

  /**
   * Empties a large journal, so that it never becomes too large to be read. Runs may add to it for years.
   * The journal must be locked, and none of its changes in effect.
   */
  trim(leastBytes: number = TRIMMED_BYTES): void {
    if (fstatSync(this.fd).size >= leastBytes) ftruncateSync(this.fd);
  }

  /** Records the outcome of an entry. A failed write is harmless, because the setting itself shows the outcome. */
  mark({ id }: Pick<JournalEntry, "id">, mark: Mark, value?: string): void {
    try {
      this.add(`${JSON.stringify({ id, time: new Date().toISOString(), mark, value })}\n`);
    } catch {
      // The disk may be full. Undo compares values anyway.
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
 * Creates a directory and its parents. Node's recursive mkdir() never returns in places where the kernel cannot create
 * directories, such as /proc.
 */
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

/** After a crash, a new file exists only if its directory was synced as well. */
function syncFolder(folder: string): void {
  const fd = openSync(folder, constants.O_RDONLY);
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
