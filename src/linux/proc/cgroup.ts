// Reads the cgroup limits on memory, threads and CPUs, as set for containers and services: in v1 and v2, for this
// process's group and its ancestors.

import { existsSync } from "node:fs";
import type { CgroupMemoryFile } from "../../results/evidence.js";
import { sum } from "../../util/share.js";
import { readText } from "./procfs.js";

const ROOT = "/sys/fs/cgroup";
/** Where systemd mounts v2 in addition to v1. */
const HYBRID = "unified";

export interface CgroupMemory {
  readonly file: CgroupMemoryFile;
  readonly limitBytes: number;
  readonly usedBytes: number;
  /** Kernel memory charged to the group: sockets, inodes, files. */
  readonly kernelBytes: number;
}

const V1_LIMITS: readonly CgroupMemoryFile[] = [
  "memory.limit_in_bytes",
  "memory.kmem.limit_in_bytes",
  "memory.kmem.tcp.limit_in_bytes",
];
const V2_LIMITS: readonly CgroupMemoryFile[] = ["memory.max", "memory.high"];

/** Limits on the group's entire memory. v1's limit on TCP buffers applies to queued data only. */
const OF_ALL: readonly CgroupMemoryFile[] = [
  "memory.max",
  "memory.high",
  "memory.limit_in_bytes",
  "memory.kmem.limit_in_bytes",
];

/**
 * Returns the tightest memory limit on this process: the one with the least room left.
 *
 * @param root mount point of the hierarchies
 * @param files which limits to consider
 * @returns undefined if no group has a limit
 */
export function readCgroupMemory(
  root = ROOT,
  membership = readText("/proc/self/cgroup") ?? "",
  files: readonly CgroupMemoryFile[] = OF_ALL,
): CgroupMemory | undefined {
  const groups = groupFolders("memory", root, membership).flatMap(({ path, isV2 }) => readMemory(path, isV2));
  return tightest(
    groups.filter(({ file }) => files.includes(file)),
    ({ limitBytes, usedBytes }) => limitBytes - usedBytes,
  );
}

/**
 * Returns whether a process's cgroup or an ancestor is frozen.
 * @param membership contents of the process's /proc/PID/cgroup
 */
export function isGroupFrozen(membership: string, root = ROOT): boolean {
  return groupFolders("freezer", root, membership).some(({ path, isV2 }) =>
    isV2
      ? /^frozen 1$/m.test(readText(`${path}/cgroup.events`) ?? "")
      : /^(FROZEN|FREEZING)/.test(readText(`${path}/freezer.state`) ?? ""),
  );
}

function tightest<Group>(groups: (Group | undefined)[], room: (group: Group) => number): Group | undefined {
  const limited = groups.filter((group) => group !== undefined);
  return limited.sort((a, b) => room(a) - room(b))[0];
}

function readMemory(folder: string, isV2: boolean): CgroupMemory[] {
  const number = (name: string) => Number(readText(`${folder}/${name}`) ?? Number.NaN);
  const limits = (isV2 ? V2_LIMITS : V1_LIMITS).flatMap((file) => {
    const limitBytes = number(file);
    // "max" parses to NaN. v1 represents no limit by a number near 2^63. A memory.high of 0 throttles from the first
    // byte.
    const isLimit = limitBytes >= (file === "memory.high" ? 0 : 1) && limitBytes < 2 ** 62;
    return isLimit ? [{ file, limitBytes }] : [];
  });
  // Avoid reading memory.stat if possible, because the kernel sums it over all CPUs.
  if (limits.length === 0) return [];
  const current = number(isV2 ? "memory.current" : "memory.usage_in_bytes");
  const stat = readFields(`${folder}/memory.stat`);
  // Inactive cached files are reclaimed before anything fails, so they count as free.
  const usedBytes = Math.max(0, current - (stat.get(isV2 ? "inactive_file" : "total_inactive_file") ?? 0));
  // v2 provides the sum in Linux 5.18 and later.
  const kernelBytes = isV2
    ? stat.get("kernel") || sum(["slab", "kernel_stack", "pagetables", "sock"].map((name) => stat.get(name) ?? 0))
    : number("memory.kmem.usage_in_bytes") || 0;
  const usedOf = (file: CgroupMemoryFile) => {
    if (file === "memory.kmem.limit_in_bytes") return kernelBytes;
    return file === "memory.kmem.tcp.limit_in_bytes" ? number("memory.kmem.tcp.usage_in_bytes") : usedBytes;
  };
  return limits
    .map(({ file, limitBytes }) => ({ file, limitBytes, usedBytes: usedOf(file), kernelBytes }))
    .filter((limit) => !Number.isNaN(limit.usedBytes));
}

/** Parses a file of lines such as `inactive_file 4096`. */
function readFields(path: string): Map<string, number> {
  const lines = (readText(path) ?? "").split("\n");
  return new Map(
    lines.map((line) => {
      const blank = line.indexOf(" ");
      return [line.slice(0, blank), Number(line.slice(blank + 1))];
    }),
  );
}

/**
 * Returns how often the memory limits of this process's group and its ancestors were hit: `high` (throttled), `max`,
 * `oom`, `oom_kill`.
 *
 * @see Linux admin-guide/cgroup-v2.rst, memory.events.local
 */
export function readCgroupMemoryEvents(
  root = ROOT,
  membership = readText("/proc/self/cgroup") ?? "",
): Record<string, number> {
  const events: Record<string, number> = {};
  for (const { path, isV2 } of groupFolders("memory", root, membership)) {
    // Prefer memory.events.local: memory.events includes descendants' events, but is the only file before Linux 5.2.
    const text = isV2 ? (readText(`${path}/memory.events.local`) ?? readText(`${path}/memory.events`)) : undefined;
    for (const [, name, count] of (text ?? "").matchAll(/^(\w+) (\d+)$/gm)) {
      events[name!] = (events[name!] ?? 0) + Number(count);
    }
  }
  return events;
}

/**
 * Returns the number of CPUs that the tightest group may use: cpu.max, or v1's quota; undefined if there is no limit.
 */
export function readCgroupCpus(root = ROOT, membership = readText("/proc/self/cgroup") ?? ""): number | undefined {
  const quotas = groupFolders("cpu", root, membership).map(({ path, isV2 }) => {
    const [quota, period] = isV2
      ? (readText(`${path}/cpu.max`) ?? "").split(" ")
      : [readText(`${path}/cpu.cfs_quota_us`), readText(`${path}/cpu.cfs_period_us`)];
    // "max" or -1 means no limit.
    const cpus = Number(quota ?? Number.NaN) / Number(period ?? Number.NaN);
    return cpus > 0 ? cpus : undefined;
  });
  return tightest(quotas, (cpus) => cpus);
}

/** Returns the directories of this process's group and its ancestors in a controller's hierarchy. */
function groupFolders(controller: string, root: string, membership: string): { path: string; isV2: boolean }[] {
  return membership
    .trim()
    .split("\n")
    .flatMap((line) => {
      // The path is the rest of the line and may contain colons.
      const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
      if (path === undefined || (controllers !== "" && !controllers?.split(",").includes(controller))) return [];
      const isV2 = controllers === "";
      const mount = isV2 ? (existsSync(`${root}/${HYBRID}`) ? `${root}/${HYBRID}` : root) : `${root}/${controller}`;
      return groupAndParents(path).map((group) => ({ path: `${mount}${group}`, isV2 }));
    });
}

/** For `/a/b`, returns `/a/b`, `/a` and the root, because ancestors' limits apply too. */
function groupAndParents(path: string): string[] {
  const parts = path.split("/").filter((part) => part !== "" && part !== "..");
  return [...parts.map((_, i) => `/${parts.slice(0, parts.length - i).join("/")}`), ""];
}

const LIMIT_FILES = {
  memory: { v1: ["memory.limit_in_bytes", "memory.usage_in_bytes"], v2: ["memory.max", "memory.current"] },
  pids: { v1: ["pids.max", "pids.current"], v2: ["pids.max", "pids.current"] },
} as const;

/**
 * Returns whether the limits of this process's group are unreadable, because the hierarchy is not mounted here or
 * access is denied. An unknown limit may then apply.
 */
export function isGroupHidden(
  controller: keyof typeof LIMIT_FILES,
  root = ROOT,
  membership = readText("/proc/self/cgroup") ?? "",
): boolean {
  const all = groupFolders(controller, root, membership);
  // A controller is attached to a single hierarchy. If v1 has the controller, v2 does not.
  const isV1 = all.some(({ isV2 }) => !isV2);
  const folders = all.filter(({ isV2 }) => isV2 !== isV1);
  if (folders.length === 0) return false;
  const files = LIMIT_FILES[controller][isV1 ? "v1" : "v2"];
  const isReadable = (path: string) => files.every((file) => readText(`${path}/${file}`) !== undefined);
  const own = folders[0]!.path;
  // In a container, the path may be the one that the host sees. The root mounted here is then this process's group.
  if (!existsSync(own)) return !folders.some(({ path }) => isReadable(path));
  // A group without this file has no limit: the root, and groups in which the controller is not enabled.
  const isWithout = existsSync(`${own}/cgroup.procs`) && !existsSync(`${own}/${files[0]}`);
  return !isWithout && !isReadable(own);
}

export interface CgroupPids {
  /** The tightest group's maximum number of threads and processes. */
  readonly limit: number;
  readonly used: number;
}

/** Returns the tightest limit on threads for this process; undefined if there is no limit. */
export function readCgroupPids(root = ROOT, membership = readText("/proc/self/cgroup") ?? ""): CgroupPids | undefined {
  const groups = groupFolders("pids", root, membership).map(({ path }) => readPids(path));
  return tightest(groups, ({ limit, used }) => limit - used);
}

function readPids(folder: string): CgroupPids | undefined {
  const limit = Number(readText(`${folder}/pids.max`));
  const used = Number(readText(`${folder}/pids.current`));
  // "max" parses to NaN.
  return limit > 0 && !Number.isNaN(used) ? { limit, used } : undefined;
}
