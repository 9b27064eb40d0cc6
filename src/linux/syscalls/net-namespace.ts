// Moves the calling thread into another network namespace (setns(2)). From then on, the thread opens sockets and reads
// files there.
import { closeSync, fstatSync, openSync, readdirSync } from "node:fs";
import { hostname } from "node:os";
import { ESTALE, errnoOf } from "./errno.js";
import { lastErrno, libc } from "./libc.js";

const CLONE_NEWNET = 0x40000000;
const CLONE_NEWUTS = 0x04000000;
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
 * Moves the calling thread into a network namespace. If the caller is the main thread, /proc/net also shows that
 * namespace.
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

/**
 * Calls `use` in another network namespace, and returns to the current one. Nothing else may run in this thread
 * meanwhile.
 *
 * @param file see enterNetNamespace()
 * @param inode identity of the namespace
 * @returns the result, or a negative errno if the namespace cannot be entered; -ESTALE if the file has come to be that of
 *   another namespace, because the process has moved, or its ID was used again
 */
export async function withinNetNamespace<Result>(
  file: string,
  use: () => Promise<Result>,
  inode?: number,
): Promise<Result | number> {
  return within(file, "/proc/thread-self/ns/net", CLONE_NEWNET, use, inode);
}

/**
 * Returns the host name that a process sees; for a process in a container, that is the container's host name.
 *
 * @returns undefined without privileges
 */
export async function readHostnameOf(pid: number): Promise<string | undefined> {
  const name = await within(`/proc/${pid}/ns/uts`, "/proc/thread-self/ns/uts", CLONE_NEWUTS, async () => hostname());
  return typeof name === "string" ? name : undefined;
}

async function within<Result>(
  file: string,
  own: string,
  kind: number,
  use: () => Promise<Result>,
  inode?: number,
): Promise<Result | number> {
  const fds: number[] = [];
  try {
    for (const path of [own, file]) fds.push(openSync(path, "r"));
  } catch (error) {
    for (const fd of fds) closeSync(fd);
    return errnoOf(error);
  }
  const [before, there] = fds as [number, number];
  try {
    if (inode !== undefined && fstatSync(there).ino !== inode) return -ESTALE;
    if (libc.setns(there, kind) < 0) return -lastErrno();
    try {
      return await use();
    } finally {
      libc.setns(before, kind);
    }
  } finally {
    closeSync(before);
    closeSync(there);
  }
}
