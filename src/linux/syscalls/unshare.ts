// A descriptor table of a thread's own (man 2 unshare, CLONE_FILES).
import { CLONE_FILES } from "./constants.js";
import { lastErrno, libc } from "./libc.js";

/**
 * Gives the calling thread a descriptor table of its own, a copy of the one it shared until now.
 * Afterwards Node's asynchronous file calls must not be used in this thread: their pool keeps the old table.
 *
 * @returns 0, or a negative errno (-EPERM where a container forbids the call)
 */
export function unshareDescriptors(): number {
  return libc.unshare(CLONE_FILES) < 0 ? -lastErrno() : 0;
}
