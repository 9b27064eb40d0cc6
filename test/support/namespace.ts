// A network namespace of a test's own: quiet, so that its socket table can be compared row by row.
import { spawnSync } from "node:child_process";
import { onTestFinished } from "vitest";

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
