// Explains by errno why a file cannot be read or written, and how to fix it.
import { AppError } from "../../util/errors.js";
import { printable, shortened } from "../../util/printable.js";

/** Fixes for the errnos of open(), write(), fsync() and rename(). */
const FIXES: Readonly<Record<string, string>> = {
  EACCES: "give a file in a directory that you may write to, or change the permissions",
  EAGAIN: "its reader takes no more: start one that reads to the end",
  EBADF: "that descriptor is not open for it: give a file",
  EBUSY: "something else holds it: give another file",
  EDQUOT: "your disk quota is used up: make room, or give a file on another disk",
  EFBIG: "the file system or ulimit -f takes no file of that size: give a file somewhere else",
  EINVAL: "give a name that the file system takes",
  EIO: "the disk fails: see dmesg, and give a file on another disk",
  EISDIR: "it is a directory: give a file in it, such as report.html",
  ELOOP: "its symbolic links lead in a circle: give the file itself",
  EMFILE: "this process has no descriptor left: raise the limit of open files (ulimit -n)",
  ENAMETOOLONG: "give a shorter name: a file system takes 255 bytes",
  ENFILE: "the host has no descriptor left: see fs.file-max",
  ENODEV: "no driver answers for that device: give a file",
  ENOENT: "give a file in a directory that exists: mkdir -p makes one",
  ENOSPC: "the disk is full: make room (df -h shows where), or give a file on another disk",
  ENOTDIR: "a part of its path is no directory: give a file in a directory that exists",
  ENOTSUP: "give a file, not a disk: its contents would be lost",
  ENXIO: "nobody reads that FIFO, or it is a socket: start the reader first, or give a file",
  EPERM: "the file may not be changed (lsattr shows an immutable one): give another file",
  EPIPE: "its reader has gone: start one that reads to the end",
  EROFS: "the file system is read-only: give a file on another one",
  ETXTBSY: "it is a program that runs: give another file",
};

/** Returns the error for a file that cannot be written. */
export function notWritable(file: string, cause: unknown): AppError {
  return notUsable(file, cause, "written", "E_SYSTEM");
}

/** Runs `write`. @throws {AppError} E_SYSTEM from notWritable() if it fails */
export function writing(file: string, write: () => void): void {
  try {
    write();
  } catch (cause) {
    throw notWritable(file, cause);
  }
}

/** Returns the errno name of a Node error, or an empty string for any other error. */
export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/** Returns the error for a file that cannot be read. */
export function notReadable(file: string, cause: unknown): AppError {
  return notUsable(file, cause, "read", "E_OPTION");
}

function notUsable(file: string, cause: unknown, what: "written" | "read", code: "E_SYSTEM" | "E_OPTION"): AppError {
  if (cause instanceof AppError) return cause;
  const { code: errno = "", message } = cause as NodeJS.ErrnoException;
  // Node's message ends with the call and the path. The path is already at the start of ours.
  const why = message.replace(/, \w+(?: '[\s\S]*)?$/, "");
  return new AppError(code, `${shortened(printable(file), 200)} cannot be ${what}: ${why}`, {
    fix: fixFor(errno, what),
    cause,
  });
}

function fixFor(errno: string, what: "written" | "read"): string {
  if (what === "read") {
    if (errno === "ENOENT" || errno === "EISDIR") return "give a file that a run's --json was written to";
    if (errno === "EACCES" || errno === "EPERM")
      return "you may not read it: change its permissions, or run as its owner";
  }
  return FIXES[errno] ?? "give another file";
}
