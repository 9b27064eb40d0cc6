import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { expect, it } from "vitest";
import { createLatencyHistogram, summarizeLatency, toMicros } from "../../src/engine/latency.js";

it("is all zero when nothing was recorded", () => {
  const summary = summarizeLatency(createLatencyHistogram());
  expect(Object.values(summary)).toEqual(Array(8).fill(0));
});

it("keeps three digits of every percentile", () => {
  const histogram = createLatencyHistogram();
  for (let us = 1; us <= 10_000; us++) histogram.record(us);
  const { count, minUs, meanUs, p50Us, p90Us, p99Us, p999Us, maxUs } = summarizeLatency(histogram);
  expect([count, minUs]).toEqual([10_000, 1]);
  const close = (seen: number, wanted: number) => expect(Math.abs(seen - wanted) / wanted).toBeLessThan(0.002);
  close(meanUs, 5000.5);
  close(p50Us, 5000);
  close(p90Us, 9000);
  close(p99Us, 9900);
  close(p999Us, 9990);
  close(maxUs, 10_000);
});

it("turns any time into one that a histogram takes", () => {
  fc.assert(
    fc.property(fc.double({ min: 0, noNaN: true }), (value) => {
      const histogram = createLatencyHistogram();
      histogram.record(toMicros(value));
      expect(histogram.count).toBe(1);
      expect(histogram.exceeds).toBe(0);
    }),
  );
  expect([0, 0.4, 1.6, 999.5, 1e300].map(toMicros)).toEqual([1, 1, 2, 1000, 3600e6]);
});

it("records what other threads record", async () => {
  const histogram = createLatencyHistogram();
  const code = `require("node:worker_threads").workerData.record(250);`;
  const worker = new Worker(code, { eval: true, workerData: histogram });
  await new Promise((resolve) => worker.once("exit", resolve));
  expect(summarizeLatency(histogram)).toMatchObject({ count: 1, p50Us: 250 });
});
