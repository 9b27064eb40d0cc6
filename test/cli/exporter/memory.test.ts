// Tests that readings leave nothing behind: neither memory nor descriptors. bench/exporter-soak.mjs does it for 10,000
// scrapes from outside.
import { readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { expect, it } from "vitest";
import { HostReader } from "../../../src/cli/exporter/reading.js";
import { exposition } from "../../../src/output/prometheus/exposition.js";

const WARM_UP = 30;
const READINGS = 60;
/** A leak of one row of a table per reading would be more. */
const MOST_BYTES_PER_READING = 6000;

it("memory and descriptors stay the same from reading to reading", async () => {
  setFlagsFromString("--expose-gc");
  const collectGarbage: () => void = runInNewContext("gc");
  const failures: unknown[] = [];
  const reader = new HostReader(20, "0", (_, error) => failures.push(error));
  const readSeveral = async (count: number) => {
    for (let n = 0; n < count; n++) exposition(await reader.read(), "openmetrics");
    collectGarbage();
    return { bytes: process.memoryUsage().heapUsed, descriptors: readdirSync("/proc/self/fd").length };
  };
  const before = await readSeveral(WARM_UP);
  const after = await readSeveral(READINGS);
  expect(failures).toEqual([]);
  expect((after.bytes - before.bytes) / READINGS).toBeLessThan(MOST_BYTES_PER_READING);
  expect(after.descriptors).toBe(before.descriptors);
});
