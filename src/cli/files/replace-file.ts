// Replaces a file atomically: writes a temporary file next to it, syncs it to disk, and renames it.
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { codeOf } from "./file-error.js";

export const NEW_FILE_MODE = 0o666;
/** Create exclusively and never follow a symbolic link. */
export const NEW_FILE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const DIRECTORY_ERRORS = ["EACCES", "EPERM", "EROFS"];
const RENAME_ERRORS = ["EBUSY", "EXDEV", "EPERM", "EACCES"];

/**
 * Writes a temporary file and renames it. Overwrites the file in place if the directory rejects new files or the path
 * is a mount point.
 *
 * @param present stat of the existing file, whose owner and mode are kept; undefined for a new file
 */
export function replaceFile(target: string, text: string, present: BigIntStats | undefined): void {
  const directory = dirname(target);
  const temporary = temporaryIn(directory);
  try {
    writeNew(temporary, text, NEW_FILE_MODE, present);
  } catch (error) {
    if (present === undefined || !DIRECTORY_ERRORS.includes(codeOf(error))) throw error;
    overwrite(target, text);
    return;
  }
  try {
    renameSync(temporary, target);
  } catch (error) {
    unlinkSync(temporary);
    if (present === undefined || !RENAME_ERRORS.includes(codeOf(error))) throw error;
    overwrite(target, text);
  }
  syncDirectory(directory);
}

/** Writes a new file so that it ends up on disk completely or not at all. */
function writeNew(file: string, text: string, mode: number, like?: BigIntStats): void {
  const fd = openSync(file, NEW_FILE_FLAGS, mode);
  try {
    writeAll(fd, Buffer.from(text));
    if (like) keepOwner(fd, like);
    fsyncSync(fd);
  } catch (error) {
    unlinkSync(file);
    throw error;
  } finally {
    closeSync(fd);
  }
}

/** Overwrites a file in place, and restores the old bytes if there is no space for the new ones. */
function overwrite(target: string, text: string): void {
  const before = readFileSync(target);
  const fd = openSync(target, constants.O_RDWR | constants.O_NOFOLLOW);
  try {
    const bytes = Buffer.from(text);
    writeAll(fd, bytes, 0);
    ftruncateSync(fd, bytes.length);
    fsyncSync(fd);
  } catch (error) {
    writeAll(fd, before, 0);
    ftruncateSync(fd, before.length);
    throw error;
  } finally {
    closeSync(fd);
  }
}

function keepOwner(fd: number, { uid, gid, mode }: BigIntStats): void {
  try {
    fchownSync(fd, Number(uid), Number(gid));
  } catch {
    // Only root may change the owner, so the file now belongs to the writer.
  }
  fchmodSync(fd, Number(mode) & 0o7777);
}

function writeAll(fd: number, bytes: Buffer, from?: number): void {
  for (let sent = 0; sent < bytes.length; ) {
    sent += writeSync(fd, bytes, sent, bytes.length - sent, from === undefined ? null : from + sent);
  }
}

/**
 * Saves a result elsewhere if its destination could not be written.
 *
 * @param name start of the file name; a unique suffix is added
 * @returns path of the file; undefined if no directory accepts it
 */
export function rescue(name: string, suffix: string, text: string): string | undefined {
  for (const directory of new Set([tmpdir(), "/var/tmp", "."])) {
    const file = join(directory, `fourtuple-${name}-${unique()}${suffix}`);
    try {
      writeNew(file, text, 0o600);
      return file;
    } catch {
      // There may be space in the next directory.
    }
  }
  return undefined;
}

/** Returns a temporary name in the directory. */
export function temporaryIn(directory: string): string {
  return join(directory, `.fourtuple-${unique()}.tmp`);
}

function unique(): string {
  return `${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
}

function syncDirectory(directory: string): void {
  try {
    const fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  } catch {
    // Ignore failures: the file itself is on disk, and its directory entry will follow.
  }
}
