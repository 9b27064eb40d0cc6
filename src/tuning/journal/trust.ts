// Decides whether to trust a journal, because root writes its values into the kernel. Owner, mode and type are checked
// on the open descriptor, so that the file cannot be swapped in between.
import { constants, fstatSync, lstatSync, openSync, realpathSync, type Stats } from "node:fs";
import { dirname, resolve } from "node:path";
import { EISDIR } from "../../linux/syscalls/errno.js";
import { AppError } from "../../util/errors.js";

const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** Maximum size: about 40,000 changes, more than any host sees. */
const LARGEST_BYTES = 16 * 1024 ** 2;
/** O_NONBLOCK keeps open() from blocking on a FIFO. */
const SAFE_FLAGS = constants.O_NOFOLLOW | constants.O_NONBLOCK;
const FIX = "use --journal with a file owned by you or root that nobody else can write to";

/**
 * Opens a journal without following a symbolic link.
 *
 * @param flags flags of open(2)
 * @throws {Error} with an errno on failure
 */
export function openJournal(file: string, flags: number, mode?: number): number {
  return openSync(file, flags | SAFE_FLAGS, mode);
}

/**
 * @throws {AppError} E_SYSTEM if another user could have written or replaced the file
 * @throws {Error} EISDIR for a directory
 */
export function assertTrusted(file: string, fd: number): void {
  const stats = fstatSync(fd);
  if (stats.isDirectory()) throw Object.assign(new Error("EISDIR"), { errno: -EISDIR });
  if (!stats.isFile()) throw distrusted(file, "it is not a regular file");
  if (!isOurs(stats)) throw distrusted(file, `it belongs to uid ${stats.uid}`);
  if (stats.mode & GROUP_OR_OTHERS_WRITE) throw distrusted(file, `others may write to it (mode ${octal(stats)})`);
  if (stats.size > LARGEST_BYTES) throw distrusted(file, `it has ${stats.size} bytes, too large for a journal`);
  const folder = swappable(dirname(resolve(file)));
  // A user who does not own the file could only have created a hard link to a file that root owns.
  if (folder !== undefined && stats.nlink > 1) {
    throw distrusted(file, `it has a second hard link, and others can create files in ${folder}`);
  }
}

/** Returns a directory above `path` in which other users can rename files. */
function swappable(path: string): string | undefined {
  for (let folder = realpathSync(path); ; folder = dirname(folder)) {
    const found = lstatSync(folder);
    const isWritable = (found.mode & GROUP_OR_OTHERS_WRITE) !== 0;
    // In a sticky directory such as /tmp, users cannot rename other users' files.
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
