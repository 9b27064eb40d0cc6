// What /proc tells of another process: its limit of open files, how many it has, whether it runs at all.

import { readdirSync } from "node:fs";
import type { ProcessFacts } from "../../results/peer.js";
import { isGroupFrozen } from "./cgroup.js";
import { readText } from "./procfs.js";

/** @returns undefined when there is no such process */
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

/** The process that started it, or has inherited it; undefined when there is no such process. */
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

/** Clock ticks per second of /proc (man 5 proc, sysconf(_SC_CLK_TCK)): 100 on every architecture that we run on. */
const TICKS_PER_SEC = 100;

/** CPU time of a process so far, all threads, user and kernel, in seconds; undefined when it is gone. */
export function readCpuSeconds(pid: number): number | undefined {
  // The name in brackets may hold spaces: fields are counted behind it.
  const fields = readText(`/proc/${pid}/stat`)
    ?.replace(/^.*\) /s, "")
    .split(" ");
  return fields && (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SEC;
}
