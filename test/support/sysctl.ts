// Settings of this host or of a namespace that a test changes, and that are as they were when it ends.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { onTestFinished } from "vitest";

/** Sets a sysctl of this host until the test ends. */
export function setSysctl(name: string, value: string): void {
  const file = `/proc/sys/${name.replaceAll(".", "/")}`;
  const before = readFileSync(file, "utf8").trim();
  const restore = () => writeFileSync(file, before);
  // Also when the test's process is ended from outside.
  process.once("exit", restore);
  onTestFinished(() => {
    process.off("exit", restore);
    restore();
  });
  writeFileSync(file, value);
}

/** Sets a sysctl of a namespace, which takes it along when it goes. */
export function setSysctlIn(namespace: string, name: string, value: string): void {
  execFileSync("ip", ["netns", "exec", namespace, "sysctl", "-qw", `${name}=${value}`]);
}
