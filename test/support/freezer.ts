// A cgroup that is frozen, of whichever version is mounted.
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";
import { until } from "./until.js";

const V1 = "/sys/fs/cgroup/freezer";
const V2 = "/sys/fs/cgroup";

/** Whether one can be made; says why not, so that the test's skip has a reason. */
export function canFreeze(): boolean {
  const folder = `${root()}/fourtuple-try-${process.pid}`;
  try {
    mkdirSync(folder);
    rmdirSync(folder);
    return true;
  } catch (error) {
    console.warn(`skipped: no cgroup can be made: ${(error as Error).message}`);
    return false;
  }
}

/** Freezes a process until the test ends. */
export function freeze(pid: number): void {
  const folder = `${root()}/fourtuple-test-${process.pid}`;
  mkdirSync(folder);
  writeFileSync(`${folder}/cgroup.procs`, String(pid));
  const [file, frozen, thawed] = isV1() ? ["freezer.state", "FROZEN", "THAWED"] : ["cgroup.freeze", "1", "0"];
  writeFileSync(`${folder}/${file}`, frozen!);
  onTestFinished(async () => {
    writeFileSync(`${folder}/${file}`, thawed!);
    process.kill(pid, "SIGKILL");
    await until("the end of the cgroup", () => {
      try {
        rmdirSync(folder);
        return true;
      } catch {
        return false;
      }
    });
  });
}

function isV1(): boolean {
  return existsSync(V1);
}

function root(): string {
  return isV1() ? V1 : V2;
}
