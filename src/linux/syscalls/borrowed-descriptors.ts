// Descriptors of the main thread's table, fetched by a thread that has a table of its own (man 2 pidfd_getfd, Linux 5.6).
import { SYS_PIDFD_GETFD, SYS_PIDFD_OPEN } from "./constants.js";
import { EBADF, EMFILE, ENFILE } from "./errno.js";
import { lastErrno, libc } from "./libc.js";

/** @returns this thread's own copy of the process's descriptor `fd`, or a negative errno (-EPERM, -ENOSYS where that is forbidden) */
export function borrowDescriptor(fd: number): number {
  const pidfd = libc.syscall(SYS_PIDFD_OPEN, process.pid, 0, 0, 0, 0, 0);
  if (pidfd < 0) return -lastErrno();
  const copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0, 0, 0, 0);
  const result = copy < 0 ? -lastErrno() : copy;
  libc.close(pidfd);
  return result;
}

let isAllowed: boolean | undefined;

/** Whether borrowDescriptor() works here: older kernels lack it, and containers may forbid it. */
export function canBorrowDescriptors(): boolean {
  if (isAllowed !== undefined) return isAllowed;
  // Any descriptor will do, also one that is not open (EBADF).
  const copy = borrowDescriptor(0);
  if (copy >= 0) libc.close(copy);
  // Out of descriptors is no answer.
  if (copy === -EMFILE || copy === -ENFILE) return false;
  isAllowed = copy >= 0 || copy === -EBADF;
  return isAllowed;
}
