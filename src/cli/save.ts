// The one writer of the files that a command makes: a page, a picture, a script. A file is whole or as it was before: what is
// new is written beside it, put on the disk, then renamed. What is no regular file (a FIFO, a terminal, /dev/null) is written
// as a stream. Identity is device and inode, so no name leads back to what was read.
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { notWritable } from "./file-error.js";

/** A place to write to, checked before the work that fills it. */
export interface Output {
  /** Its bytes go where this program's own lines go: they would be in the middle of them. */
  readonly isStandard: boolean;
  /** Writes it whole. @throws {AppError} E_SYSTEM when that fails: what was there before is there still */
  write(text: string): void;
  /** Gives it up unwritten. */
  close(): void;
}

const MAX_LINKS = 40;
/** A reader that has stopped reading is not waited for longer. */
const STREAM_PATIENCE_MS = 10_000;
const STREAM_POLL_MS = 5;
const NEW_FILE_MODE = 0o666;
const DIRECTORY_ERRORS = ["EACCES", "EPERM", "EROFS"];
const RENAME_ERRORS = ["EBUSY", "EXDEV", "EPERM", "EACCES"];
const DESCRIPTORS: Readonly<Record<string, string>> = { "/dev/stdin": "0", "/dev/stdout": "1", "/dev/stderr": "2" };

/**
 * Finds out whether a file can be written, and changes nothing of it.
 *
 * @param inputs files that must not be overwritten; `-` is standard input
 * @throws {AppError} E_OPTION when it is an input or a directory, E_SYSTEM when it cannot be written
 */
export function openOutput(file: string, inputs: readonly string[] = []): Output {
  try {
    const descriptor = descriptorOf(file);
    if (descriptor !== undefined) return new Stream(file, descriptor, false);
    if (/(^|\/)$/.test(file)) throw systemError("EISDIR", "is a directory");
    const target = followLinks(resolve(file));
    const present = statOf(target);
    if (present === undefined) return newFile(file, target);
    for (const input of inputs) refuseInput(file, present, input);
    if (present.isFile()) return oldFile(file, target, present);
    if (present.isDirectory()) throw systemError("EISDIR", "is a directory");
    if (present.isBlockDevice()) throw systemError("ENOTSUP", "is a disk");
    // Without a reader a FIFO says ENXIO, and does not wait for one.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return new Stream(file, openSync(target, flags), true);
  } catch (cause) {
    throw notWritable(file, cause);
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

/** `/dev/stdout`, `/dev/fd/3`: opened by their names they would be written from their start. */
function descriptorOf(file: string): number | undefined {
  const path = resolve(file);
  const number = DESCRIPTORS[path] ?? /^\/(?:dev|proc\/self|proc\/thread-self)\/fd\/(\d+)$/.exec(path)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** The file that a path leads to, which need not be there. */
function followLinks(path: string): string {
  let target = path;
  for (let link = 0; link <= MAX_LINKS; link++) {
    const directory = realpathSync(dirname(target));
    target = join(directory, basename(target));
    try {
      if (!lstatSync(target).isSymbolicLink()) return target;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return target;
      throw error;
    }
    target = resolve(directory, readlinkSync(target));
  }
  throw systemError("ELOOP", "too many symbolic links");
}

function refuseInput(file: string, present: BigIntStats, input: string): void {
  // Standard input may be a file, too: `report - -o run.json < run.json`.
  const read = input === "-" ? fstatSync(0, { bigint: true }) : statOf(input);
  if (read === undefined || read.dev !== present.dev || read.ino !== present.ino) return;
  throw new AppError("E_OPTION", `${quoted(file)} is the result itself`, {
    fix: "write the page somewhere else: -o report.html",
  });
}

function newFile(file: string, target: string): Output {
  const directory = dirname(target);
  // An existing name in it may be taken over by renaming, a new one has to be made: that is tried, and undone.
  const probe = temporaryIn(directory);
  closeSync(openSync(probe, newFlags(), NEW_FILE_MODE));
  unlinkSync(probe);
  return { isStandard: false, write: (text) => attempt(file, () => replace(target, text, undefined)), close() {} };
}

function oldFile(file: string, target: string, present: BigIntStats): Output {
  // A file that is write-protected stays as it is, although its directory would let another take its name.
  accessSync(target, constants.W_OK);
  return { isStandard: false, write: (text) => attempt(file, () => replace(target, text, present)), close() {} };
}

/** Writes beside the file and renames; where the directory takes no file, or the name is a mount, into the file itself. */
function replace(target: string, text: string, present: BigIntStats | undefined): void {
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
  const fd = openSync(file, newFlags(), mode);
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

/** A FIFO, a terminal, a descriptor of this process. */
class Stream implements Output {
  readonly isStandard: boolean;
  readonly #file: string;
  readonly #fd: number;
  readonly #isOwn: boolean;
  #isClosed = false;

  constructor(file: string, fd: number, isOwn: boolean) {
    // A descriptor that is not open is no place to write to.
    writeSync(fd, Buffer.alloc(0));
    this.#file = file;
    this.#fd = fd;
    this.#isOwn = isOwn;
    this.isStandard = fd === 1;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    attempt(this.#file, () => {
      let lastMs = performance.now();
      for (let sent = 0; sent < bytes.length; ) {
        try {
          sent += writeSync(this.#fd, bytes, sent);
          lastMs = performance.now();
        } catch (error) {
          if (codeOf(error) !== "EAGAIN" || performance.now() - lastMs > STREAM_PATIENCE_MS) throw error;
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STREAM_POLL_MS);
        }
      }
    });
  }

  close(): void {
    if (this.#isOwn && !this.#isClosed) closeSync(this.#fd);
    this.#isClosed = true;
  }
}

function attempt(file: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw notWritable(file, cause);
  }
}

/** undefined when there is no such file. */
function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function temporaryIn(directory: string): string {
  return join(directory, `.fourtuple-${unique()}.tmp`);
}

function unique(): string {
  return `${process.pid}-${Math.random().toString(36).slice(2, 10)}`;
}

function newFlags(): number {
  return constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
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

function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
