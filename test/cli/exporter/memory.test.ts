// Tests that readings leave nothing behind: neither memory nor descriptors. bench/exporter-soak.mjs does it for 10,000
// scrapes from outside.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { HostReader } from "../../../src/cli/exporter/reading.js";
import { exposition } from "../../../src/output/prometheus/exposition.js";

const WARM_UP = 30;
const BATCH = 20;
const BATCHES = 4;
/** A leak of one row of a table per reading would be more. */
const MOST_BYTES_PER_READING = 6000;

it("memory and descriptors stay the same from reading to reading", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const failures: unknown[] = [];
  const reader = new HostReader(20, "0", (_, error) => failures.push(error));
  const afterReading = async (count: number) => {
    for (let n = 0; n < count; n++) exposition(await reader.read(), "openmetrics");
    collectGarbage();
    return { bytes: process.memoryUsage().heapUsed, descriptors: readdirSync("/proc/self/fd").length };
  };
  let last = await afterReading(WARM_UP);
  const { descriptors } = last;
  // A leak grows in every batch; what V8 compiles, and what it frees late, grows in some.
  const growths: number[] = [];
  for (let n = 0; n < BATCHES; n++) {
    const now = await afterReading(BATCH);
    growths.push((now.bytes - last.bytes) / BATCH);
    last = now;
  }
  expect(failures).toEqual([]);
  expect(Math.min(...growths), growths.join(", ")).toBeLessThan(MOST_BYTES_PER_READING);
  expect(last.descriptors).toBe(descriptors);
});
