// Another network namespace, entered by the calling thread (man 2 setns): what it opens and reads from then on is there.
import { closeSync, openSync, readdirSync } from "node:fs";
import { errnoOf } from "./errno.js";
import { lastErrno, libc } from "./libc.js";

const CLONE_NEWNET = 0x40000000;
/** Where `ip netns` keeps names. */
const NAMED = "/run/netns";

/** The file of a namespace made by `ip netns add`, or of a process's. */
export function netNamespaceFile(of: { readonly name: string } | { readonly pid: number }): string {
  return "name" in of ? `${NAMED}/${of.name}` : `/proc/${of.pid}/ns/net`;
}

/** Names that `ip netns` knows. */
export function listNetNamespaces(): string[] {
  try {
    return readdirSync(NAMED).sort();
  } catch {
    return [];
  }
}

/**
 * Moves the calling thread into a network namespace. In the main thread /proc/net is then the namespace's as well.
 *
 * @param file a namespace's file: a bind mount such as /run/netns/NAME, or /proc/PID/ns/net
 * @returns 0, or a negative errno: -ENOENT for no such file, -EACCES and -EPERM without the privilege, -EINVAL for a file
 * that is no network namespace
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
