// A network namespace of a test's own: quiet, so that its socket table can be compared row by row.
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { onTestFinished } from "vitest";
import { libc } from "../../src/linux/syscalls/libc.js";

const CLONE_NEWNET = 0x40000000;
const SYS_SETNS = process.arch === "x64" ? 308 : 268;

let last = 0;

/** Whether namespaces can be made; says why not when they cannot, so that the test's skip has a reason. */
export function canMakeNamespaces(): boolean {
  const name = `fourtuple-try-${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.status === 0) spawnSync("ip", ["netns", "delete", name]);
  else console.warn(`skipped: no network namespace can be made (run as root): ${made.stderr || made.error?.message}`);
  return made.status === 0;
}

/** Makes a namespace whose loopback is up; it goes with the test. @returns its name, for `ip netns exec` */
export function makeNamespace(): string {
  const name = `fourtuple-test-${process.pid}-${++last}`;
  spawnSync("ip", ["netns", "add", name]);
  spawnSync("ip", ["-n", name, "link", "set", "lo", "up"]);
  onTestFinished(() => {
    spawnSync("ip", ["netns", "delete", name]);
  });
  return name;
}

/**
 * Moves this thread, and the processes that it starts, into a namespace whose loopback is up, until the test ends. Its
 * sockets must be closed by then: the namespace goes with the last of them.
 */
export function enterNamespace(): void {
  const before = openSync("/proc/thread-self/ns/net", "r");
  if (libc.unshare(CLONE_NEWNET) < 0) throw new Error("no network namespace can be made");
  onTestFinished(() => {
    libc.syscall(SYS_SETNS, before, CLONE_NEWNET, 0, 0, 0, 0);
    closeSync(before);
  });
  spawnSync("ip", ["link", "set", "lo", "up"]);
}
