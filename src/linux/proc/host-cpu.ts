// Whose CPU time it was: this process's and its children's, other programs', or the hypervisor's.
import type { HostLoad } from "../../results/fields.js";
import { readText } from "./procfs.js";

/** Clock ticks per second of /proc (man 5 proc, sysconf(_SC_CLK_TCK)): 100 on every architecture that we run on. */
const TICKS_PER_SEC = 100;

/** In seconds over all CPUs, since the host started. */
export interface CpuTimes {
  /** All that passed, idle time included. */
  readonly total: number;
  /** Of programs and their system calls; not of interrupts, which may be anybody's. */
  readonly programs: number;
  /** What the hypervisor gave to others while a CPU here had work. */
  readonly steal: number;
  /** Of this process and its children that have ended. */
  readonly own: number;
}

/** @returns undefined where /proc/stat may not be read */
export function readCpuTimes(stat = readText("/proc/stat"), self = readText("/proc/self/stat")): CpuTimes | undefined {
  const fields = /^cpu +(.*)$/m.exec(stat ?? "")?.[1]?.split(" ");
  // The name in brackets may hold spaces: fields are counted behind it. User, system, and those of children waited for.
  const own = self
    ?.replace(/^.*\) /s, "")
    .split(" ")
    .slice(11, 15);
  if (fields === undefined || own === undefined) return undefined;
  const [user, nice, system, idle, iowait, irq, softirq, steal = 0] = fields.map(Number) as [
    ...[number, number, number, number, number, number, number, number],
  ];
  const sum = user + nice + system + idle + iowait + irq + softirq + steal;
  return {
    total: sum / TICKS_PER_SEC,
    programs: (user + nice + system) / TICKS_PER_SEC,
    steal: steal / TICKS_PER_SEC,
    own: own.reduce((ticks, text) => ticks + Number(text), 0) / TICKS_PER_SEC,
  };
}

/**
 * What others took of the CPU between two readings.
 *
 * @returns undefined where there is none, or no time has passed
 */
export function loadBetween(before: CpuTimes | undefined, after: CpuTimes | undefined): HostLoad | undefined {
  if (before === undefined || after === undefined || after.total <= before.total) return undefined;
  const total = after.total - before.total;
  const others = after.programs - before.programs - (after.own - before.own);
  return { othersShare: share(others, total), stealShare: share(after.steal - before.steal, total) };
}

function share(part: number, whole: number): number {
  return Math.min(1, Math.max(0, part / whole));
}
