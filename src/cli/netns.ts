// Implements `--netns` and `--pid`, with which a command looks into another network namespace, such as that of a
// container.

import { EACCES, EINVAL, ENOENT, EPERM, errnoMeaning, errnoName } from "../linux/syscalls/errno.js";
import { enterNetNamespace, listNetNamespaces, netNamespaceFile } from "../linux/syscalls/net-namespace.js";
import { AppError } from "../util/errors.js";

export interface NamespaceOptions {
  /** Name from `ip netns`, or a path. */
  readonly netns?: string;
  /** ID of the process whose namespace to enter. */
  readonly pid?: number;
}

/**
 * Moves this process into the requested namespace. Threads, programs and sockets created later inherit the
 * namespace.
 *
 * @param command name of the command, for the message
 * @throws {AppError} E_OPTION if there is no such namespace or process; E_PERMISSION if the user may not enter the
 *   namespace
 */
export function enterNamespace({ netns, pid }: NamespaceOptions, command: string): void {
  if (netns === undefined && pid === undefined) return;
  const file = netns?.includes("/") ? netns : netNamespaceFile(pid === undefined ? { name: netns! } : { pid });
  const errno = -enterNetNamespace(file);
  if (errno === 0) return;
  const option = pid === undefined ? `--netns ${netns}` : `--pid ${pid}`;
  if (errno === EPERM || errno === EACCES || (errno === ENOENT && pid !== undefined && isHidden(pid))) {
    throw new AppError("E_PERMISSION", `${option}: entering that network namespace needs CAP_SYS_ADMIN`, {
      fix: `run it as root, or in the namespace: ${pid === undefined ? `nsenter --net=${file}` : `nsenter --target ${pid} --user --net`} fourtuple ${command}`,
      facts: { file, errno: errnoName(errno) },
    });
  }
  throw new AppError("E_OPTION", `${option}: ${describe(errno, file, pid)}`, {
    fix: pid === undefined ? names() : "use the pid of a running process",
    facts: { file, errno: errnoName(errno) },
  });
}

/** Returns whether the process exists and belongs to another user: /proc may hide it (hidepid), kill() does not. */
function isHidden(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

function describe(errno: number, file: string, pid: number | undefined): string {
  if (errno === ENOENT) return pid === undefined ? `${file} does not exist` : "no such process";
  if (errno === EINVAL) return `${file} is not a network namespace`;
  return `${file} cannot be opened (${errnoName(errno)}, ${errnoMeaning(errno)})`;
}

function names(): string {
  const known = listNetNamespaces();
  const other = "a path such as /proc/PID/ns/net";
  return known.length === 0
    ? `ip netns has no names on this host: use ${other}, or use --pid`
    : `use one of ${known.join(", ")}, or use ${other}`;
}
