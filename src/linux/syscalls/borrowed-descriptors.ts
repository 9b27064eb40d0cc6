// Copies descriptors from the main thread's table to a thread with a private table (pidfd_getfd(2), Linux 5.6).
import { SYS_PIDFD_GETFD, SYS_PIDFD_OPEN } from "./constants.js";
import { EBADF, EMFILE, ENFILE } from "./errno.js";
import { lastErrno, libc } from "./libc.js";

/**
 * @returns this thread's copy of the process's descriptor `fd`, or a negative errno (-EPERM or -ENOSYS if not
 *   permitted)
 */
export function borrowDescriptor(fd: number): number {
  const pidfd = libc.syscall(SYS_PIDFD_OPEN, process.pid, 0, 0, 0, 0, 0);
  if (pidfd < 0) return -lastErrno();
  const copy = libc.syscall(SYS_PIDFD_GETFD, pidfd, fd, 0, 0, 0, 0);
  const result = copy < 0 ? -lastErrno() : copy;
  libc.close(pidfd);
  return result;
}

let isAllowed: boolean | undefined;

/** Returns whether borrowDescriptor() works here. Older kernels lack the call, and containers may forbid it. */
export function canBorrowDescriptors(): boolean {
  if (isAllowed !== undefined) return isAllowed;
  // Any descriptor will do: even a closed one shows that the call is permitted (EBADF).
  const copy = borrowDescriptor(0);
  if (copy >= 0) libc.close(copy);
  // An EMFILE error says nothing about permission.
  if (copy === -EMFILE || copy === -ENFILE) return false;
  isAllowed = copy >= 0 || copy === -EBADF;
  return isAllowed;
}
