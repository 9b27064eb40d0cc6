// Finds the network namespaces of this host: those of its processes, and those with a name.
import { readdirSync, readlinkSync, statfsSync, statSync } from "node:fs";
import { listNetNamespaces, netNamespaceFile } from "../syscalls/net-namespace.js";

/** Where Docker keeps the namespaces of its containers. */
const DOCKER = "/run/docker/netns";
/** NSFS_MAGIC in linux/magic.h. */
const NSFS_MAGIC = 0x6e736673;

export interface NetNamespace {
  /** Identity of the namespace. */
  readonly inode: number;
  /** File by which to enter the namespace. */
  readonly file: string;
  /** Names from `ip netns`. */
  readonly names: readonly string[];
  /** Lowest ID of the processes in it; undefined if there are none. */
  readonly pid: number | undefined;
  readonly isOwn: boolean;
}

export interface NetNamespaces {
  /** This process's own namespace first, then by process ID. */
  readonly namespaces: readonly NetNamespace[];
  /** Number of processes whose namespace cannot be read. */
  readonly unreadable: number;
  /** Whether /proc hides other users' processes (mounted with hidepid), and thus their namespaces. */
  readonly isHiding: boolean;
}

export function findNetNamespaces(): NetNamespaces {
  const found = new Map<number, { file: string; names: string[]; pid: number | undefined }>();
  let unreadable = 0;
  const pids = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
  for (const pid of pids.sort((a, b) => a - b)) {
    const file = netNamespaceFile({ pid });
    const inode = inodeOf(file);
    if (typeof inode === "string") {
      // A process that has exited meanwhile does not count as unreadable.
      if (inode !== "ENOENT" && inode !== "ESRCH") unreadable++;
    } else if (inode > 0 && !found.has(inode)) found.set(inode, { file, names: [], pid });
  }
  for (const [name, file] of namedFiles()) {
    const inode = mountedInode(file);
    if (inode === undefined) continue;
    const known = found.get(inode) ?? { file, names: [], pid: undefined };
    if (name !== undefined) known.names.push(name);
    found.set(inode, known);
  }
  const own = inodeOf("/proc/thread-self/ns/net");
  const namespaces = [...found].map(([inode, each]) => ({ inode, ...each, isOwn: inode === own }));
  const ownFirst = namespaces.sort((a, b) => Number(b.isOwn) - Number(a.isOwn));
  // Process 1 always exists.
  return { namespaces: ownFirst, unreadable, isHiding: !pids.includes(1) };
}

/** Returns the namespace's inode from a link such as `net:[4026531840]`, or the name of an errno. */
function inodeOf(file: string): number | string {
  try {
    return Number(/\d+/.exec(readlinkSync(file))?.[0] ?? 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? "EIO";
  }
}

/**
 * Returns the inode of a namespace that is mounted on a file; undefined if none is, or if it cannot be read. A file
 * without a namespace remains if `ip netns` was interrupted, or in another mount namespace.
 */
function mountedInode(file: string): number | undefined {
  try {
    return statfsSync(file).type === NSFS_MAGIC ? statSync(file).ino : undefined;
  } catch {
    return undefined;
  }
}

function namedFiles(): [string | undefined, string][] {
  const named = listNetNamespaces().map((name): [string, string] => [name, netNamespaceFile({ name })]);
  try {
    return [...named, ...readdirSync(DOCKER).map((id): [undefined, string] => [undefined, `${DOCKER}/${id}`])];
  } catch {
    return named;
  }
}
