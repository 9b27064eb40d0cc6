// Gives threads private descriptor tables (unshare(2), CLONE_FILES).
import { CLONE_FILES } from "./constants.js";
import { lastErrno, libc } from "./libc.js";

/**
 * Gives the calling thread a private copy of the descriptor table. Node's asynchronous file operations must not be used
 * in this thread afterwards, because the thread pool keeps the old table.
 *
 * @returns 0, or a negative errno (-EPERM if a container forbids the call)
 */
export function unshareDescriptors(): number {
  return libc.unshare(CLONE_FILES) < 0 ? -lastErrno() : 0;
}
