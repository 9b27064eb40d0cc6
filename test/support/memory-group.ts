// A memory cgroup of a test's own.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { until } from "./until.js";

/** Whether one can be made; says why not, so that the test's skip has a reason. */
export function canMakeMemoryGroups(): boolean {
  const folder = `${memoryRoot()}/fourtuple-try-${process.pid}`;
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return true;
  } catch (error) {
    console.warn(`skipped: no memory cgroup can be made: ${(error as Error).message}`);
    return false;
  }
}

/** A memory cgroup, of whichever version is mounted. @returns its folder */
export function makeMemoryGroup(limitBytes: number): string {
  const folder = `${memoryRoot()}/fourtuple-test-${process.pid}`;
  const file = isV2() ? "memory.max" : "memory.limit_in_bytes";
  mkdirSync(folder);
  writeFileSync(`${folder}/${file}`, String(limitBytes));
  onTestFinished(async () => {
    // The group can go once its last process has been reaped.
    await until("the end of the cgroup", () => {
      try {
        rmdirSync(folder);
        return true;
      } catch {
        return false;
      }
    });
  });
  return folder;
}

function isV2(): boolean {
  return existsSync("/sys/fs/cgroup/cgroup.controllers");
}

function memoryRoot(): string {
  return isV2() ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
}
