// Writes every file that a command creates: a page, a picture or a script. Each file is opened before the work
// starts, so that an unwritable file is reported early. Files are compared by device and inode, so that an input
// cannot be overwritten under another name.
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

/** An output file, checked before the work that produces its content. */
export interface Output {
  /** True if the output goes to standard output, where this program's messages would mix with it. */
  readonly isStandard: boolean;
  /**
   * Writes the complete text.
   * @throws {AppError} E_SYSTEM if writing fails; an existing file is then left unchanged
   */
  write(text: string): void;
  /** Discards the output without writing. */
  close(): void;
}

const MAX_LINKS = 40;
const DESCRIPTORS: Readonly<Record<string, string>> = { "/dev/stdin": "0", "/dev/stdout": "1", "/dev/stderr": "2" };

/**
 * Checks whether a file can be written, without changing it.
 *
 * @param inputs files that must not be overwritten; `-` is standard input
 * @throws {AppError} E_OPTION if the file is one of the inputs, E_SYSTEM if it cannot be written
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
    // With O_NONBLOCK, opening a FIFO without a reader fails with ENXIO instead of blocking.
    const flags = constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY;
    return new StreamOutput(file, openSync(target, flags), true);
  } catch (cause) {
    throw notWritable(file, cause);
  }
}

/**
 * Returns the descriptor of a path such as `/dev/stdout` or `/dev/fd/3`. Opening the path itself would write from the
 * start of the file.
 */
function descriptorOf(file: string): number | undefined {
  const path = resolve(file);
  const number = DESCRIPTORS[path] ?? /^\/(?:dev|proc\/self|proc\/thread-self)\/fd\/(\d+)$/.exec(path)?.[1];
  return number === undefined ? undefined : Number(number);
}

/** Resolves symbolic links to the final file, which need not exist. */
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
  // Standard input may be a redirected file: `report - -o run.json < run.json`.
  const read = input === "-" ? fstatSync(0, { bigint: true }) : statOf(input);
  if (read === undefined || read.dev !== present.dev || read.ino !== present.ino) return;
  throw new AppError("E_OPTION", `${quoted(file)} is the result that is being read`, {
    fix: "write the page to another file: -o report.html",
  });
}

function newFile(file: string, target: string): Output {
  const directory = dirname(target);
  // A new file needs write access to the directory. Test this by creating and removing a file.
  const probe = temporaryIn(directory);
  closeSync(openSync(probe, NEW_FILE_FLAGS, NEW_FILE_MODE));
  unlinkSync(probe);
  return { isStandard: false, write: (text) => writing(file, () => replaceFile(target, text, undefined)), close() {} };
}

function oldFile(file: string, target: string, present: BigIntStats): Output {
  // Respect write protection on a file even though its directory would allow replacing it.
  accessSync(target, constants.W_OK);
  return { isStandard: false, write: (text) => writing(file, () => replaceFile(target, text, present)), close() {} };
}

/** Returns the file's stat; undefined if the file does not exist. */
function statOf(path: string): BigIntStats | undefined {
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}

function systemError(code: string, message: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${message}`), { code });
}
