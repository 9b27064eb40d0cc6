// Tests the forecast of a load's memory against a kernel whose memory the test decides.
import { beforeEach, expect, it, vi } from "vitest";
import { Forecaster } from "../../../src/lab/observe/forecast.js";

const kernel = vi.hoisted(() => ({ bytes: 0 }));
vi.mock("../../../src/engine/memory-use.js", () => ({
  readMemoryUse: () => ({ kernelBytes: kernel.bytes, residentBytes: 0 }),
}));
beforeEach(() => {
  kernel.bytes = 1e9;
});

/** Opens connections in steps, each of which takes 4,000 bytes, while `others` says what other programs' memory is. */
function grow(forecaster: Forecaster, to: number, others: (connections: number) => number): void {
  for (let connections = 0; connections <= to; connections += 1000) {
    kernel.bytes = 1e9 + 4000 * connections + others(connections);
    forecaster.note(connections, process.pid);
  }
}

it("is made from the first part", () => {
  const forecaster = new Forecaster(1_000_000, []);
  grow(forecaster, 300_000, () => 0);
  expect(forecaster.forecast).toMatchObject({ madeAt: 250_000, kernel: { slope: expect.closeTo(4000) } });
  expect(forecaster.predictedBytes(forecaster.forecast!, 1_000_000)).toBeCloseTo(4e9);
});

it("waits until the kernel has freed what ended before", () => {
  const forecaster = new Forecaster(1_000_000, []);
  // 1 GB that is gone by 200,000 connections.
  grow(forecaster, 1_000_000, (connections) => Math.max(0, 1e9 - 5000 * connections));
  const { madeAt, kernel: line } = forecaster.forecast!;
  expect(madeAt).toBeGreaterThan(250_000);
  expect(madeAt).toBeLessThan(1_000_000);
  expect(line.slope).toBeGreaterThan(3800);
  expect(line.slope).toBeLessThan(4200);
});
