// Tests the scan of all processes' descriptors on hosts with many of them.
import { expect, it } from "vitest";
import { forEachSocketDescriptor } from "../../../src/linux/proc/descriptors.js";

it("a scan can be ended while it visits processes whose descriptors cannot be read", async () => {
  // No process has this ID, so nothing is visited.
  const pids = new Array<number>(1e6).fill(2 ** 22 + 1);
  const scan = forEachSocketDescriptor(() => undefined, pids, AbortSignal.timeout(50));
  await expect(scan).rejects.toMatchObject({ name: "TimeoutError" });
});
