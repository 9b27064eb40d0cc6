// Settings of this host or of a namespace that a test changes, and that are as they were when it ends.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";

/**
 * Sets a sysctl of this host until the test ends. A process of its own puts it back when this one closes the pipe to it,
 * which the kernel does even if this one is killed.
 */
export function setSysctl(name: string, value: string): void {
  const file = `/proc/sys/${name.replaceAll(".", "/")}`;
  const before = readFileSync(file, "utf8").trim();
  const guardian = spawn("sh", ["-c", 'cat >/dev/null; echo "$0" >"$1"', before, file], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  onTestFinished(async () => {
    guardian.stdin.end();
    await once(guardian, "exit");
  });
  writeFileSync(file, value);
}

/** Sets a sysctl of a namespace, which takes it along when it goes. */
export function setSysctlIn(namespace: string, name: string, value: string): void {
  execFileSync("ip", ["netns", "exec", namespace, "sysctl", "-qw", `${name}=${value}`]);
}
