// Explains by errno why a file cannot be read or written, and how to fix it.
import { AppError } from "../../util/errors.js";
import { printable, shortened } from "../../util/printable.js";

/** Fixes for the errnos of open(), write(), fsync() and rename(). */
const FIXES: Readonly<Record<string, string>> = {
  EACCES: "use a directory that you can write to, or change the permissions",
  EAGAIN: "its reader has stopped reading: use a program that reads to the end",
  EBADF: "that descriptor is not open for writing: use a file name",
  EBUSY: "another program is using it: use another file",
  EDQUOT: "your disk quota is used up: free space, or use another disk",
  EFBIG:
    "the file system or ulimit -f does not allow a file of this size: write to another file system, or raise ulimit -f",
  EINVAL: "use a name that the file system allows",
  EIO: "the disk reports errors (see dmesg): use another disk",
  EISDIR: "this is a directory: use a file in it, such as report.html",
  ELOOP: "its symbolic links form a loop: use the file itself",
  EMFILE: "this process is out of descriptors: raise the open-file limit (ulimit -n)",
  ENAMETOOLONG: "use a shorter name: at most 255 bytes",
  ENFILE: "the host is out of open files: raise fs.file-max",
  ENODEV: "no driver handles that device: use a file",
  ENOENT: "use an existing directory, or create this one with mkdir -p",
  ENOSPC: "the disk is full: free space (see df -h), or use another disk",
  ENOTDIR: "part of the path is not a directory: use an existing directory",
  ENOTSUP: "use a file: writing to a disk would destroy its contents",
  ENXIO: "nothing reads from that FIFO, or it is a socket: start the reader first, or use a file",
  EPERM: "the file cannot be changed, perhaps because it is immutable (lsattr): use another file",
  EPIPE: "its reader has exited: use a program that reads to the end",
  EROFS: "the file system is read-only: use another one",
  ETXTBSY: "this is a running program: use another file",
};

/** Returns the error for a file that cannot be written. */
export function notWritable(file: string, cause: unknown): AppError {
  return notUsable(file, cause, "written", "E_SYSTEM");
}

/**
 * Runs `write`.
 * @throws {AppError} E_SYSTEM from notWritable() if the operation fails
 */
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
  // Node's message ends with the system call and the path. This error already starts with
  // the path.
  const why = message.replace(/, \w+(?: '[\s\S]*)?$/, "");
  return new AppError(code, `${shortened(printable(file), 200)} cannot be ${what}: ${why}`, {
    fix: fixFor(errno, what),
    cause,
  });
}

function fixFor(errno: string, what: "written" | "read"): string {
  if (what === "read") {
    if (errno === "ENOENT" || errno === "EISDIR") return "use a file that contains the --json output of a run";
    if (errno === "EACCES" || errno === "EPERM")
      return "you cannot read it: change its permissions, or run as its owner";
  }
  return FIXES[errno] ?? "use another file";
}
