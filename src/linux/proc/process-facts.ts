// Reads facts about another process from /proc: its open-file limit, its number of descriptors, and whether it is
// running.

import { readdirSync } from "node:fs";
import type { ProcessFacts } from "../../results/peer.js";
import { isGroupFrozen } from "./cgroup.js";
import { readText } from "./procfs.js";

/** @returns undefined if the process does not exist */
export function readProcessFacts(pid: number): ProcessFacts | undefined {
  const name = readText(`/proc/${pid}/comm`);
  if (name === undefined) return undefined;
  const state = /^State:\s+(\S)/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
  const isFrozen = isGroupFrozen(readText(`/proc/${pid}/cgroup`) ?? "");
  const limit = /^Max open files\s+(\S+)/m.exec(readText(`/proc/${pid}/limits`) ?? "")?.[1];
  return {
    pid,
    name: name.trim(),
    args: (readText(`/proc/${pid}/cmdline`) ?? "").split("\0").filter((arg) => arg !== ""),
    isStopped: state === "T" || state === "t" || isFrozen,
    isFrozen,
    nofileLimit: limit === undefined ? undefined : limit === "unlimited" ? limit : Number(limit),
    openDescriptors: countDescriptors(pid),
  };
}

/** Returns the current parent of a process; undefined if the process does not exist. */
export function readParent(pid: number): number | undefined {
  const parent = /^PPid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`) ?? "")?.[1];
  return parent === undefined ? undefined : Number(parent);
}

function countDescriptors(pid: number): number | undefined {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return undefined;
  }
}

/** Clock ticks per second in /proc (proc(5), sysconf(_SC_CLK_TCK)): 100 on all supported architectures. */
const TICKS_PER_SEC = 100;

/**
 * Returns a process's CPU time over all threads, user and kernel, in seconds; undefined if the process has exited.
 */
export function readCpuSeconds(pid: number): number | undefined {
  // The name in parentheses may contain spaces, so skip it.
  const fields = readText(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}
