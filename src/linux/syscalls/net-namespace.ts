// Moves the calling thread into another network namespace (setns(2)). From then on, it opens sockets and reads files
// there.
import { closeSync, openSync, readdirSync } from "node:fs";
import { errnoOf } from "./errno.js";
import { lastErrno, libc } from "./libc.js";

const CLONE_NEWNET = 0x40000000;
/** Where `ip netns` keeps named namespaces. */
const NAMED = "/run/netns";

/** Returns the file of a namespace created by `ip netns add`, or of a process's namespace. */
export function netNamespaceFile(of: { readonly name: string } | { readonly pid: number }): string {
  return "name" in of ? `${NAMED}/${of.name}` : `/proc/${of.pid}/ns/net`;
}

/** Returns the names known to `ip netns`. */
export function listNetNamespaces(): string[] {
  try {
    return readdirSync(NAMED).sort();
  } catch {
    return [];
  }
}

/**
 * Moves the calling thread into a network namespace. If it is the main thread, /proc/net also shows that namespace.
 *
 * @param file namespace file: a bind mount such as /run/netns/NAME, or /proc/PID/ns/net
 * @returns 0, or a negative errno: -ENOENT if the file does not exist, -EACCES or -EPERM without privileges, -EINVAL if
 *   the file is not a network namespace
 */
export function enterNetNamespace(file: string): number {
  let fd: number;
  try {
    fd = openSync(file, "r");
  } catch (error) {
    return errnoOf(error);
  }
  try {
    return libc.setns(fd, CLONE_NEWNET) < 0 ? -lastErrno() : 0;
  } finally {
    closeSync(fd);
  }
}
