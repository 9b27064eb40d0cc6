// Creates cgroups for individual tests, in whichever version is mounted: one that is frozen, one with a memory limit, one
// that sockets belong to.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { until } from "./until.js";

const V2 = "/sys/fs/cgroup";
/** Where cgroup2 is mounted beside version 1. */
const HYBRID_V2 = "/sys/fs/cgroup/unified";
const FREEZER_V1 = "/sys/fs/cgroup/freezer";
const MEMORY_V1 = "/sys/fs/cgroup/memory";

/** Returns whether a cgroup can be frozen. If not, prints the reason for skipping the test. */
export function canFreeze(): boolean {
  return canMake(freezerRoot(), "cgroup");
}

/** Freezes a process until the test ends. */
export function freeze(pid: number): void {
  const folder = make(freezerRoot(), () => {
    writeFileSync(`${folder}/${file}`, thawed!);
    process.kill(pid, "SIGKILL");
  });
  writeFileSync(`${folder}/cgroup.procs`, String(pid));
  const isV1 = existsSync(FREEZER_V1);
  const [file, frozen, thawed] = isV1 ? ["freezer.state", "FROZEN", "THAWED"] : ["cgroup.freeze", "1", "0"];
  writeFileSync(`${folder}/${file}`, frozen!);
}

/** Returns whether memory can be limited. If not, prints the reason for skipping the test. */
export function canMakeMemoryGroups(): boolean {
  return canMake(memoryRoot(), "memory cgroup");
}

/**
 * Creates a memory cgroup.
 * @returns the group's folder
 */
export function makeMemoryGroup(limitBytes: number): string {
  const folder = make(memoryRoot());
  writeFileSync(`${folder}/${isV2() ? "memory.max" : "memory.limit_in_bytes"}`, String(limitBytes));
  return folder;
}

/** Folder of the root cgroup of version 2. */
export function unifiedRoot(): string {
  return isV2() ? V2 : HYBRID_V2;
}

/** Returns whether cgroups of version 2 can be made. If not, prints the reason for skipping the test. */
export function canMakeUnifiedGroups(): boolean {
  return canMake(unifiedRoot(), "cgroup of version 2");
}

/**
 * Creates a cgroup of version 2 with the name of a systemd unit.
 * @returns the group's folder
 */
export function makeUnit(): string {
  return make(unifiedRoot(), undefined, ".service");
}

function canMake(root: string, what: string): boolean {
  const folder = `${root}/fourtuple-try-${process.pid}`;
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return true;
  } catch (error) {
    console.warn(`skipped: no ${what} can be made: ${(error as Error).message}`);
    return false;
  }
}

/**
 * Creates a group until the test ends.
 * @param release function that lets the group's processes continue
 */
function make(root: string, release: () => void = () => undefined, suffix = ""): string {
  const folder = `${root}/fourtuple-test-${process.pid}${suffix}`;
  mkdirSync(folder);
  onTestFinished(async () => {
    release();
    // The group can be removed once its last process has been reaped.
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
  return existsSync(`${V2}/cgroup.controllers`);
}

function freezerRoot(): string {
  return existsSync(FREEZER_V1) ? FREEZER_V1 : V2;
}

function memoryRoot(): string {
  return isV2() ? V2 : MEMORY_V1;
}
