// Whether a journal may be believed: root writes into the kernel what it says. Its owner, its mode and its kind are asked of the open
// descriptor, so that nobody can put another file in its place in between.
import { constants, fstatSync, lstatSync, openSync, realpathSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";
import { EISDIR } from "../../linux/syscalls/errno.js";
import { AppError } from "../../util/errors.js";

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** More changes than anybody makes: some 40,000. */
const LARGEST_BYTES = 16 * 1024 ** 2;
/** A FIFO is not waited for. */
const SAFE_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const FIX = "use --journal with a file owned by you or root that nobody else can write to";

/** Opens a journal without following a link. @param flags as of open(2) @throws {Error} with an errno when that fails */
export function openJournal(file: string, flags: number, mode?: number): number {
  return openSync(file, flags | SAFE_FLAGS, mode);
}

/**
 * @throws {AppError} E_SYSTEM when somebody else could have written it, or could put another in its place
 * @throws {Error} EISDIR for a folder
 */
export function assertTrusted(file: string, fd: number): void {
  const stats = fstatSync(fd);
  if (stats.isDirectory()) throw Object.assign(new Error("EISDIR"), { errno: -EISDIR });
  if (!stats.isFile()) throw distrusted(file, "it is not a regular file");
  if (!isOurs(stats)) throw distrusted(file, `it belongs to uid ${stats.uid}`);
  if (stats.mode & GROUP_OR_OTHERS_WRITE) throw distrusted(file, `others may write to it (mode ${octal(stats)})`);
  if (stats.size > LARGEST_BYTES) throw distrusted(file, `it has ${stats.size} bytes, more than any journal`);
  const folder = swappable(dirname(resolve(file)));
  // What others can put there without owning it is a further name of a file that is root's.
  if (folder !== undefined && stats.nlink > 1) {
    throw distrusted(file, `it has a second name, and others may put names into ${folder}`);
  }
}

/** The folder on the way to `path` in which others can give a name to another file. */
function swappable(path: string): string | undefined {
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const found = lstatSync(folder);
    const isWritable = (found.mode & GROUP_OR_OTHERS_WRITE) !== 0;
    // In a sticky folder, as /tmp, nobody renames what is another's.
    if (!isOurs(found) || (isWritable && !(found.mode & STICKY))) return folder;
    if (folder === dirname(folder)) return undefined;
  }
}

function isOurs({ uid }: Stats): boolean {
  return uid === 0 || uid === process.geteuid?.();
}

function octal({ mode }: Stats): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function distrusted(file: string, why: string): AppError {
  return new AppError("E_SYSTEM", `the journal ${file} cannot be trusted: ${why}`, { fix: FIX });
}
