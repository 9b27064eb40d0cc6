// Tests everything derived from the declaration of a metric: its offset in shared memory, its value over all workers,
// its result fields and its exported name.
import { describe, expect, expectTypeOf, it } from "vitest";
import { familiesOf } from "../../src/engine/metric-names.js";
import { defineMetrics, readHistogram, readMetrics, sectionOf } from "../../src/engine/metrics.js";
import { WorkerMemory } from "../../src/engine/worker-memory.js";

const METRICS = defineMetrics("fourtuple_test", {
  begun: { type: "counter", help: "Begun.", shown: ["begun"] },
  sentBytes: { type: "counter", help: "Sent.", shown: ["traffic.sentBytes", "messages.bytes"] },
  longestDelayMs: { type: "gauge", help: "The longest.", combined: "max", shown: ["messages.longestDelayMs"] },
  youngestUs: { type: "gauge", help: "The youngest; 0 for none.", combined: "least", shown: ["messages.youngestUs"] },
  answerUs: { type: "histogram", help: "The answers.", shown: ["latency.answer"] },
  inFlight: { type: "gauge", help: "In flight.", shown: "moment" },
  word: { type: "gauge", help: "Between the worker and the main thread.", shown: "internal" },
});

/** Returns a worker's memory with these counts. */
function worker(counts: Partial<Record<keyof typeof METRICS.index, number>>): WorkerMemory {
  const memory = new WorkerMemory(METRICS.layout);
  for (const [name, count] of Object.entries(counts)) memory.counters[METRICS.index[name as "begun"]] = count;
  return memory;
}

describe("a role's metrics", () => {
  it("each have a place in memory, which has no other fields", () => {
    const places = Object.values(METRICS.index);
    expect([...new Set(places)]).toHaveLength(places.length);
    const { counters } = worker({});
    expect(places.every((place) => place >= 0 && place < counters.length)).toBe(true);
    expect(counters).toHaveLength(places.length);
  });

  it("cannot be written by an undeclared name", () => {
    // @ts-expect-error there is none
    expect(METRICS.index.nobodys).toBeUndefined();
  });

  it("are summed over the workers, or combined by minimum or maximum, without internal ones", () => {
    const workers = [
      worker({ begun: 1, longestDelayMs: 2.5, youngestUs: 0, word: 9 }),
      worker({ begun: 2, sentBytes: 10, longestDelayMs: 1, youngestUs: 70, inFlight: 3 }),
      worker({ begun: 4, youngestUs: 50 }),
    ];
    expect(readMetrics(METRICS, workers)).toEqual({
      begun: 7,
      sentBytes: 10,
      longestDelayMs: 2.5,
      youngestUs: 50,
      inFlight: 3,
    });
    expect(readMetrics(METRICS, [])).toEqual({ begun: 0, sentBytes: 0, longestDelayMs: 0, youngestUs: 0, inFlight: 0 });
  });

  it("include histograms, separate from the counters and added over the workers", () => {
    const workers = [worker({ begun: 1 }), worker({ begun: 2 })];
    for (const { histograms } of workers) histograms[METRICS.histograms.answerUs]!.record(250);
    const answers = readHistogram(workers, METRICS.histograms.answerUs);
    expect([answers.count, answers.max]).toEqual([2, 250]);
    // @ts-expect-error it is not a counter
    expect(METRICS.index.answerUs).toBeUndefined();
    expect(readMetrics(METRICS, workers)).toMatchObject({ begun: 3 });
  });

  it("make up the sections of a result", () => {
    const values = readMetrics(METRICS, [worker({ begun: 7, sentBytes: 10, longestDelayMs: 2, inFlight: 1 })]);
    const messages = sectionOf(METRICS, values, "messages");
    expect(messages).toEqual({ bytes: 10, longestDelayMs: 2, youngestUs: 0 });
    expect(sectionOf(METRICS, values, "traffic")).toEqual({ sentBytes: 10 });
    expect(sectionOf(METRICS, values, "")).toEqual({ begun: 7 });
    expectTypeOf(messages).toEqualTypeOf<{
      readonly bytes: number;
      readonly longestDelayMs: number;
      readonly youngestUs: number;
    }>();
    expectTypeOf(sectionOf(METRICS, values, "")).toEqualTypeOf<{ readonly begun: number }>();
  });
});

it("are exported with Prometheus names and units", () => {
  const families = [...familiesOf(METRICS)].map(([key, { name, unit, divisor }]) => [key, name, unit, divisor]);
  expect(families).toEqual([
    ["begun", "fourtuple_test_begun_total", undefined, 1],
    ["sentBytes", "fourtuple_test_sent_bytes_total", "bytes", 1],
    ["longestDelayMs", "fourtuple_test_longest_delay_seconds", "seconds", 1e3],
    ["youngestUs", "fourtuple_test_youngest_seconds", "seconds", 1e6],
    ["answerUs", "fourtuple_test_answer_seconds", "seconds", 1e6],
    ["inFlight", "fourtuple_test_in_flight", undefined, 1],
  ]);
});
