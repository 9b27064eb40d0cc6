// Changes settings of this host or of a namespace for the duration of a test.
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";

/**
 * Sets a sysctl of this host until the test ends. A separate process restores it when the pipe from this one is closed,
 * which the kernel does even after SIGKILL.
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

/** Sets a sysctl of a namespace; the change disappears with the namespace. */
export function setSysctlIn(namespace: string, name: string, value: string): void {
  execFileSync("ip", ["netns", "exec", namespace, "sysctl", "-qw", `${name}=${value}`]);
}
