// What `fourtuple doctor` measures is the whole host's memory: no other test may open thousands of sockets meanwhile.
import { expect, it } from "vitest";
import type { Prediction } from "../../src/index.js";
import { runCli } from "../support/process.js";

it("measures what a connection costs", async () => {
  const { stdout } = await runCli(["doctor", "-c", "1k", "--json"]);
  const { cost, obstacle }: Prediction = JSON.parse(stdout);
  expect(obstacle).toBeUndefined();
  expect(cost.isMeasured).toBe(true);
  // Two TCP sockets of 2.4 KB, inodes, files: between 2 and 8 KB for each end on any kernel.
  expect(cost.kernelBytesPerEnd).toBeGreaterThan(2000);
  expect(cost.kernelBytesPerEnd).toBeLessThan(8000);
});
