// Identifies the boot, the network namespace, the cgroup, and processes.
import { readlinkSync } from "node:fs";
import { readText } from "./procfs.js";

/** Returns an ID that changes with every boot (random(4)); undefined if it cannot be read. */
export function readBootId(): string | undefined {
  return readText("/proc/sys/kernel/random/boot_id")?.trim();
}

/** Returns this process's network namespace, `net:[4026531840]` (namespaces(7)); undefined if it cannot be read. */
export function readNetNamespace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/net");
  } catch {
    return undefined;
  }
}

/**
 * Identifies this process's cgroup among those of all namespaces on this host (cgroup_namespaces(7)); undefined if it
 * cannot be read.
 */
export function readCgroupIdentity(): string | undefined {
  const membership = readText("/proc/self/cgroup");
  if (membership === undefined) return undefined;
  try {
    return `${readlinkSync("/proc/self/ns/cgroup")} ${membership}`;
  } catch {
    return membership;
  }
}

/** A process, unmistakable until the next boot. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Time of its start, in ticks since the boot. */
  readonly startTicks: number;
  /** Namespace of the process ID, `pid:[4026531836]`; undefined if it cannot be read. */
  readonly pidNamespace?: string | undefined;
}

/** Returns this process's identity; undefined without /proc. */
export function ownIdentity(): ProcessIdentity | undefined {
  const startTicks = startTicksOf("self");
  return startTicks === undefined ? undefined : { pid: process.pid, startTicks, pidNamespace: pidNamespace() };
}

/** Returns whether a process is running; undefined if it is in another PID namespace, so that nobody here can say. */
export function isRunning(of: ProcessIdentity): boolean | undefined {
  if (of.pidNamespace !== pidNamespace()) return undefined;
  return startTicksOf(of.pid) === of.startTicks;
}

function pidNamespace(): string | undefined {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return undefined;
  }
}

/** Field 22 of /proc/[pid]/stat (proc(5)). The name in parentheses may contain spaces. A zombie is not running. */
function startTicksOf(pid: number | "self"): number | undefined {
  const fields = readText(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields === undefined || fields[0] === "Z" ? undefined : Number(fields[19]);
}
