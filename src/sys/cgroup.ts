// The limits that a container or a service gets on memory and threads: cgroup v2 and v1, this process's group and all above it.
import { existsSync } from "node:fs";
import { readText } from "./procfs.js";

export interface CgroupMemory {
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Of these, what the kernel uses for the group: sockets, inodes, files. */
  readonly kernelBytes: number;
}

/**
 * The tightest memory limit over this process: the one with the least room left.
 *
 * @param root where the hierarchies are mounted
 * @returns undefined when no group limits memory
 */
export function readCgroupMemory(
  root = "/sys/fs/cgroup",
  membership = readText("/proc/self/cgroup") ?? "",
): CgroupMemory | undefined {
  const groups = groupFolders("memory", root, membership).map(({ path, isV2 }) => readMemory(path, isV2));
  return tightest(groups, ({ limitBytes, usedBytes }) => limitBytes - usedBytes);
}

function tightest<Group>(groups: (Group | undefined)[], room: (group: Group) => number): Group | undefined {
  const limited = groups.filter((group) => group !== undefined);
  return limited.sort((a, b) => room(a) - room(b))[0];
}

function readMemory(folder: string, isV2: boolean): CgroupMemory | undefined {
  const limitBytes = Number(readText(`${folder}/${isV2 ? "memory.max" : "memory.limit_in_bytes"}`));
  const usedBytes = Number(readText(`${folder}/${isV2 ? "memory.current" : "memory.usage_in_bytes"}`));
  // "max" is no number; version 1 says "no limit" with a number near 2^63.
  if (!(limitBytes > 0) || limitBytes >= 2 ** 62 || Number.isNaN(usedBytes)) return undefined;
  const stat = readText(`${folder}/memory.stat`) ?? "";
  const field = (name: string) => Number(new RegExp(`^${name} (\\d+)`, "m").exec(stat)?.[1] ?? 0);
  // Cached files that were not used lately make way before anything fails: they are room.
  const cached = field(isV2 ? "inactive_file" : "total_inactive_file");
  // Version 2 sums it up since Linux 5.18.
  const kernelBytes = isV2
    ? field("kernel") || field("slab") + field("kernel_stack") + field("pagetables") + field("sock")
    : Number(readText(`${folder}/memory.kmem.usage_in_bytes`) ?? 0);
  return { limitBytes, usedBytes: Math.max(0, usedBytes - cached), kernelBytes };
}

/** The folders of this process's group in a controller's hierarchy, and of all groups above it. */
function groupFolders(controller: string, root: string, membership: string): { path: string; isV2: boolean }[] {
  return membership
    .trim()
    .split("\n")
    .flatMap((line) => {
      // The path is the rest of the line: it may have colons of its own.
      const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (path === undefined || (controllers !== "" && !controllers?.split(",").includes(controller))) return [];
      const isV2 = controllers === "";
      return groupAndParents(path).map((group) => ({ path: `${root}${isV2 ? "" : `/${controller}`}${group}`, isV2 }));
    });
}

/** `/a/b` gives `/a/b`, `/a` and the root: a parent's limit binds too. */
function groupAndParents(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return [...parts.map((_, i) => `/${parts.slice(0, parts.length - i).join("/")}`), ""];
}

const LIMIT_FILES = {
  memory: { v1: ["memory.limit_in_bytes", "memory.usage_in_bytes"], v2: ["memory.max", "memory.current"] },
  pids: { v1: ["pids.max", "pids.current"], v2: ["pids.max", "pids.current"] },
} as const;

/**
 * Whether this process is in a group whose limits cannot be read: its files are missing where the hierarchy is not mounted
 * here, or may not be read. Then there may be a limit that nobody sees.
 */
export function isGroupHidden(
  controller: keyof typeof LIMIT_FILES,
  root = "/sys/fs/cgroup",
  membership = readText("/proc/self/cgroup") ?? "",
): boolean {
  const all = groupFolders(controller, root, membership);
  // A controller is in one hierarchy only: version 1's, where that has it.
  const isV1 = all.some(({ isV2 }) => !isV2);
  const folders = all.filter(({ isV2 }) => isV2 !== isV1);
  if (folders.length === 0) return false;
  const files = LIMIT_FILES[controller][isV1 ? "v1" : "v2"];
  const isReadable = (path: string) => files.every((file) => readText(`${path}/${file}`) !== undefined);
  const own = folders[0]!.path;
  // In a container the path may be the host's: then the root that is mounted here is the group.
  if (!existsSync(own)) return !folders.some(({ path }) => isReadable(path));
  // A group without such a file has no limit: the root, and groups that the controller was not given to.
  const isWithout = existsSync(`${own}/cgroup.procs`) && !existsSync(`${own}/${files[0]}`);
  return !isWithout && !isReadable(own);
}

export interface CgroupPids {
  /** Threads and processes that the tightest group may have. */
  readonly limit: number;
  readonly used: number;
}

/** The tightest limit of threads over this process; undefined when no group limits them. */
export function readCgroupPids(
  root = "/sys/fs/cgroup",
  membership = readText("/proc/self/cgroup") ?? "",
): CgroupPids | undefined {
  const groups = groupFolders("pids", root, membership).map(({ path }) => readPids(path));
  return tightest(groups, ({ limit, used }) => limit - used);
}

function readPids(folder: string): CgroupPids | undefined {
  const limit = Number(readText(`${folder}/pids.max`));
  const used = Number(readText(`${folder}/pids.current`));
  // "max" is no number.
  return limit > 0 && !Number.isNaN(used) ? { limit, used } : undefined;
}
