// Writes a file whole: what is new is written beside it, put on the disk, then renamed. Until then the file is as it was.
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
/** A new file is nobody else's, and no link to one. */
export const NEW_FILE_FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
const DIRECTORY_ERRORS = ["EACCES", "EPERM", "EROFS"];
const RENAME_ERRORS = ["EBUSY", "EXDEV", "EPERM", "EACCES"];

/**
 * Writes beside the file and renames; where the directory takes no file, or the name is a mount, into the file itself.
 *
 * @param present what is there already, whose owner and mode it keeps; undefined for a new file
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

/** A file that is whole on the disk, or not there. */
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

/** In place, with the old bytes put back when there is no room for the new. */
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
    // Only root gives files away: it becomes the writer's.
  }
  fchmodSync(fd, Number(mode) & 0o7777);
}

function writeAll(fd: number, bytes: Buffer, from?: number): void {
  for (let sent = 0; sent < bytes.length; ) {
    sent += writeSync(fd, bytes, sent, bytes.length - sent, from === undefined ? null : from + sent);
  }
}

/**
 * Puts a result that could not be written where it was to go into a file of its own, rather than lose it.
 *
 * @param name the file's name before what makes it unique
 * @returns the file's path; undefined when no directory takes it
 */
export function rescue(name: string, suffix: string, text: string): string | undefined {
  for (const directory of new Set([tmpdir(), "/var/tmp", "."])) {
    const file = join(directory, `fourtuple-${name}-${unique()}${suffix}`);
    try {
      writeNew(file, text, 0o600);
      return file;
    } catch {
      // The next one may have room.
    }
  }
  return undefined;
}

/** A name beside a file for what is to take its place. */
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
    // The file is whole either way; its name is on the disk a little later.
  }
}
