// Network namespaces for individual tests, which are quiet enough to compare socket tables row by row.
import { spawnSync } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { onTestFinished } from "vitest";
import { libc } from "../../src/linux/syscalls/libc.js";

const CLONE_NEWNET = 0x40000000;
const SYS_SETNS = process.arch === "x64" ? 308 : 268;

let last = 0;

/** Returns whether namespaces can be created. If not, prints the reason for skipping the test. */
export function canMakeNamespaces(): boolean {
  const name = `fourtuple-try-${process.pid}`;
  const made = spawnSync("ip", ["netns", "add", name], { encoding: "utf8" });
  if (made.status === 0) spawnSync("ip", ["netns", "delete", name]);
  else console.warn(`skipped: no network namespace can be made (run as root): ${made.stderr || made.error?.message}`);
  return made.status === 0;
}

/**
 * Creates a namespace with loopback up; it is removed at the end of the test.
 * @returns the namespace's name, for `ip netns exec`
 */
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
 * Moves this thread and the processes that it starts into a new namespace with loopback up, until the test ends.
 * Sockets in it must be closed by then, because the namespace disappears only with the last of them.
 */
export function enterNamespace(): void {
  onTestFinished(enterNamespaceUntil());
}

/** Like enterNamespace(), but for several tests. @returns a function that moves this thread back */
export function enterNamespaceUntil(): () => void {
  const before = openSync("/proc/thread-self/ns/net", "r");
  if (libc.unshare(CLONE_NEWNET) < 0) throw new Error("no network namespace can be made");
  spawnSync("ip", ["link", "set", "lo", "up"]);
  return () => {
    libc.syscall(SYS_SETNS, before, CLONE_NEWNET, 0, 0, 0, 0);
    closeSync(before);
  };
}
