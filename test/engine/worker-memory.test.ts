import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { collectFailures } from "../../src/engine/failures.js";
import { CONTROL, sumCounter, WorkerMemory } from "../../src/engine/worker-memory.js";
import { ERRNO_LIMIT } from "../../src/linux/syscalls/errno.js";
import { STEP, STEPS } from "../../src/util/steps.js";

const LAYOUT = { counters: 64, histograms: 2 };
const EMFILE = 24;
const ECONNREFUSED = 111;

describe("worker memory", () => {
  it("is the same through every wrapper of one buffer", () => {
    const memory = new WorkerMemory(LAYOUT);
    const same = new WorkerMemory(memory.buffer);
    same.counters[3] = 12.5;
    same.control[CONTROL.target] = 70_000;
    same.countFailure(STEP.connect, ECONNREFUSED);
    expect([memory.counters[3], memory.control[CONTROL.target]]).toEqual([12.5, 70_000]);
    expect(memory.failures(STEP.connect, ECONNREFUSED)).toBe(1);
  });

  it("is visible to another thread", async () => {
    const memory = new WorkerMemory(LAYOUT);
    memory.control[CONTROL.target] = 7;
    const code = `const { workerData: b } = require("node:worker_threads"); Atomics.store(new Int32Array(b), ${CONTROL.target}, 8);`;
    const worker = new Worker(code, { eval: true, workerData: memory.buffer });
    await new Promise((resolve) => worker.once("exit", resolve));
    expect(Atomics.load(memory.control, CONTROL.target)).toBe(8);
  });

  it("keeps control, counters, histograms and failures separate", () => {
    const memory = new WorkerMemory(LAYOUT);
    memory.control.fill(-1);
    memory.counters.fill(3);
    for (const histogram of memory.histograms) histogram.counts.fill(5);
    for (let phase = 0; phase < STEPS.length; phase++)
      for (let e = 0; e < ERRNO_LIMIT; e++) memory.countFailure(phase, e);
    expect([...new Set(memory.control)]).toEqual([-1]);
    expect([...new Set(memory.counters)]).toEqual([3]);
    expect(memory.histograms.map(({ counts }) => [...new Set(counts)])).toEqual([[5], [5]]);
    const { counters, histograms } = new WorkerMemory(memory.buffer);
    expect([counters.length, histograms.length]).toEqual([64, 2]);
    expect(collectFailures([memory])).toHaveLength(STEPS.length * ERRNO_LIMIT);
    expect(collectFailures([memory]).every(({ count }) => count === 1)).toBe(true);
  });
});

describe("failures", () => {
  it("are summed over workers, most frequent first", () => {
    const [one, two] = [new WorkerMemory(LAYOUT), new WorkerMemory(LAYOUT)];
    one.countFailure(STEP.socket, EMFILE);
    for (let n = 0; n < 3; n++) two.countFailure(STEP.connect, ECONNREFUSED);
    one.countFailure(STEP.connect, ECONNREFUSED);
    two.countFailure(STEP.hold, 0);
    two.countFailure(STEP.hold, 0);
    expect(collectFailures([one, two])).toEqual([
      { phase: "connect", errno: ECONNREFUSED, count: 4 },
      { phase: "hold", errno: 0, count: 2 },
      { phase: "socket", errno: EMFILE, count: 1 },
    ]);
    expect(collectFailures([])).toEqual([]);
  });

  it("never write beyond their table, whatever the errno", () => {
    const memory = new WorkerMemory(LAYOUT);
    memory.countFailure(STEPS.length - 1, 512);
    expect(collectFailures([memory])).toEqual([{ phase: STEPS.at(-1), errno: 0, count: 1 }]);
  });
});

it("sums a counter over workers", () => {
  const memories = [1, 2, 3.5].map((value) => {
    const memory = new WorkerMemory(LAYOUT);
    memory.counters[9] = value;
    return memory;
  });
  expect(sumCounter(memories, 9)).toBe(6.5);
  expect(sumCounter(memories, 8)).toBe(0);
  expect(sumCounter([], 0)).toBe(0);
});
