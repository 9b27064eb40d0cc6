// Tests how CPU time is attributed to this process, its children and other programs, from /proc/stat and
// /proc/self/stat.
import { expect, it } from "vitest";
import { loadBetween, readCpuTimes } from "../../../src/linux/proc/host-cpu.js";

const STAT = (user: number, steal: number, idle: number) =>
  `cpu  ${user} 0 100 ${idle} 0 7 9 ${steal} 5 0\ncpu0 1 2 3\n`;
const SELF = (user: number, children: number) => `7 (a (b) c) R 1 2 3 4 5 6 7 8 9 10 ${user} 1 ${children} 1 20 0\n`;

it("other programs' share is the total without this process and its children, over all CPUs", () => {
  const before = readCpuTimes(STAT(1000, 0, 0), SELF(100, 50));
  const after = readCpuTimes(STAT(1500, 100, 400), SELF(200, 150));
  // Of 1,000 ticks, programs used 500, of which this one used 200, and 100 were stolen.
  expect(loadBetween(before, after)).toEqual({ othersShare: 0.3, stealShare: 0.1 });
});

it("is never negative, and undefined if it cannot be read or no time has passed", () => {
  const before = readCpuTimes(STAT(1000, 0, 0), SELF(100, 50));
  expect(loadBetween(before, readCpuTimes(STAT(1010, 0, 90), SELF(900, 50)))!.othersShare).toBe(0);
  expect(loadBetween(before, before)).toBeUndefined();
  expect(readCpuTimes("", SELF(1, 1))).toBeUndefined();
  expect(loadBetween(undefined, before)).toBeUndefined();
});

it("reads this host's CPU times", () => {
  const { total, programs, own } = readCpuTimes()!;
  expect(total).toBeGreaterThan(programs);
  expect(own).toBeGreaterThan(0);
});
