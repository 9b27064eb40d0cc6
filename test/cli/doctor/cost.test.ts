// Tests what `fourtuple doctor` measures. It reads the memory of the whole host, so no other test may open thousands of
// sockets meanwhile.
import { expect, it } from "vitest";
import type { Prediction } from "../../../src/index.js";
import { runCli } from "../../support/process.js";

it("measures the memory of a connection", async () => {
  const { stdout } = await runCli(["doctor", "-c", "1k", "--json"]);
  const { cost, obstacle }: Prediction = JSON.parse(stdout);
  expect(obstacle).toBeUndefined();
  expect(cost.isMeasured).toBe(true);
  // Two TCP sockets of 2.4 KB plus inodes and files: between 2 and 8 KB per end on any kernel.
  expect(cost.kernelBytesPerEnd).toBeGreaterThan(2000);
  expect(cost.kernelBytesPerEnd).toBeLessThan(8000);
});

it("measures the CPU time of a connection and of a message", async () => {
  const { stdout } = await runCli(["doctor", "-c", "1k", "--message-rate", "1", "--json"]);
  const { cost, cpu, cores }: Prediction = JSON.parse(stdout);
  // Two system calls per end plus the kernel's path between them: at least a few microseconds, at most a millisecond.
  for (const seconds of [cost.cpuSecondsPerConnection, cost.cpuSecondsPerMessage]) {
    expect(seconds).toBeGreaterThan(3e-6);
    expect(seconds).toBeLessThan(1e-3);
  }
  expect(cost.areMessagesMeasured).toBe(true);
  expect(cpu.messagesPerSec).toBeLessThanOrEqual(cores / cost.cpuSecondsPerMessage);
});
