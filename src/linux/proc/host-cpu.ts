// Measures CPU time by consumer: this process and its children, other programs, and the hypervisor.
import type { HostLoad } from "../../results/fields.js";
import { readText } from "./procfs.js";

/** Clock ticks per second in /proc (proc(5), sysconf(_SC_CLK_TCK)): 100 on all supported architectures. */
const TICKS_PER_SEC = 100;

/** CPU times in seconds since boot, summed over all CPUs. */
export interface CpuTimes {
  /** Total time, including idle time. */
  readonly total: number;
  /** Time of programs and their system calls. This excludes interrupts, which cannot be attributed. */
  readonly programs: number;
  /** Time that the hypervisor gave to other guests while a virtual CPU here was runnable. */
  readonly steal: number;
  /** Time of this process and its reaped children. */
  readonly own: number;
}

/** @returns undefined if /proc/stat cannot be read */
export function readCpuTimes(stat = readText("/proc/stat"), self = readText("/proc/self/stat")): CpuTimes | undefined {
  const fields = /^cpu +(.*)$/m.exec(stat ?? "")?.[1]?.split(" ");
  // The name in parentheses may contain spaces, so skip it. The fields are user and system time, then those of reaped
  // children.
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
 * Returns the CPU load that others caused between two results of readCpuTimes().
 *
 * @returns undefined if one of the two results is missing or no time has passed
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
