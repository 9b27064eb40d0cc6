// `ports --netns` and `--pid`: the sockets of another network namespace, a container's for one.

import { EACCES, EINVAL, ENOENT, EPERM, errnoMeaning, errnoName } from "../../linux/syscalls/errno.js";
import { enterNetNamespace, listNetNamespaces, netNamespaceFile } from "../../linux/syscalls/net-namespace.js";
import { AppError } from "../../util/errors.js";

export interface NamespaceOptions {
  /** A name of `ip netns`, or a path. */
  readonly netns?: string;
  /** A process, whose namespace it is. */
  readonly pid?: number;
}

/**
 * Moves this process into the namespace that was asked for. What it starts or opens later is there, too.
 *
 * @throws {AppError} E_OPTION when there is no such namespace or process; E_PERMISSION when this user may not enter it
 */
export function enterNamespace({ netns, pid }: NamespaceOptions): void {
  if (netns === undefined && pid === undefined) return;
  const file = netns?.includes("/") ? netns : netNamespaceFile(pid === undefined ? { name: netns! } : { pid });
  const errno = -enterNetNamespace(file);
  if (errno === 0) return;
  const option = pid === undefined ? `--netns ${netns}` : `--pid ${pid}`;
  if (errno === EPERM || errno === EACCES) {
    throw new AppError("E_PERMISSION", `${option}: entering that network namespace needs CAP_SYS_ADMIN`, {
      fix: `run it as root, or in the namespace: ${pid === undefined ? `nsenter --net=${file}` : `nsenter --target ${pid} --user --net`} fourtuple ports`,
      facts: { file, errno: errnoName(errno) },
    });
  }
  throw new AppError("E_OPTION", `${option}: ${describe(errno, file, pid)}`, {
    fix: pid === undefined ? names() : "give the id of a process that runs, as in /proc",
    facts: { file, errno: errnoName(errno) },
  });
}

function describe(errno: number, file: string, pid: number | undefined): string {
  if (errno === ENOENT) return pid === undefined ? `there is no ${file}` : "there is no such process";
  if (errno === EINVAL) return `${file} is no network namespace`;
  return `${file} cannot be opened (${errnoName(errno)}, ${errnoMeaning(errno)})`;
}

function names(): string {
  const known = listNetNamespaces();
  const other = "a path such as /proc/PID/ns/net";
  return known.length === 0
    ? `ip netns knows no name here: give ${other}, or --pid`
    : `the names are ${known.join(", ")}; or give ${other}`;
}
