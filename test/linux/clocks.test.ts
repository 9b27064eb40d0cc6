// Tests the clocks against the kernel's files with the same times.
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { readBootMs, readThreadCpuMs } from "../../src/linux/clocks.js";

const firstNumberIn = (file: string) => Number(readFileSync(file, "utf8").split(" ")[0]);

it("the time since boot is that of /proc/uptime", () => {
  const before = readBootMs();
  const uptimeMs = firstNumberIn("/proc/uptime") * 1000;
  const after = readBootMs();
  // The file has hundredths of a second, rounded down.
  expect(uptimeMs).toBeGreaterThan(before - 11);
  expect(uptimeMs).toBeLessThanOrEqual(after);
});

it("the thread's CPU time is that of /proc/thread-self/schedstat, without other threads' and without waiting", () => {
  const before = readThreadCpuMs();
  const untilMs = performance.now() + 50;
  while (performance.now() < untilMs);
  const ofFileMs = firstNumberIn("/proc/thread-self/schedstat") / 1e6;
  const after = readThreadCpuMs();
  expect(after).toBeGreaterThan(before);
  expect(after).toBeGreaterThanOrEqual(ofFileMs);
  // The file is updated at the scheduler's ticks.
  expect(ofFileMs).toBeGreaterThan(before - 11);
});
