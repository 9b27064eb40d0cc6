// The one writer of the files that a command makes: a page, a picture, a script. It is opened before the work that fills it:
// what cannot be written is known then. Identity is device and inode, so no name leads back to what was read.
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { notWritable, writing } from "./file-error.js";
import { NEW_FILE_FLAGS, NEW_FILE_MODE, replaceFile, temporaryIn } from "./replace-file.js";
import { StreamOutput } from "./stream-output.js";

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
    if (descriptor !== undefined) return new StreamOutput(file, descriptor, false);
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
    return new StreamOutput(file, openSync(target, flags), true);
  } catch (cause) {
    throw notWritable(file, cause);
  }
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
  closeSync(openSync(probe, NEW_FILE_FLAGS, NEW_FILE_MODE));
  unlinkSync(probe);
  return { isStandard: false, write: (text) => writing(file, () => replaceFile(target, text, undefined)), close() {} };
}

function oldFile(file: string, target: string, present: BigIntStats): Output {
  // A file that is write-protected stays as it is, although its directory would let another take its name.
  accessSync(target, constants.W_OK);
  return { isStandard: false, write: (text) => writing(file, () => replaceFile(target, text, present)), close() {} };
}

/** undefined when there is no such file. */
function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
