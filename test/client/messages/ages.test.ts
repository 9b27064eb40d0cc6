// Messages without an answer count as late as they are at the end.
import { createHistogram, type RecordableHistogram } from "node:perf_hooks";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageAges } from "../../../src/client/messages/ages.js";
import { createLatencyHistogram, recordCounts } from "../../../src/engine/latency.js";

describe("recordCounts", () => {
  it("records values as often as a loop would, few or many", () => {
    const counts = fc.oneof(fc.nat(100), fc.nat(20_000));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 1, max: 1e9 }), counts), { maxLength: 30 }), (pairs) => {
        const [looped, added] = [createLatencyHistogram(), createLatencyHistogram()];
        for (const histogram of [looped, added]) histogram.record(7);
        for (const [value, count] of pairs) for (let n = 0; n < count; n++) looped.record(value);
        recordCounts(
          added,
          pairs.map(([value]) => value),
          pairs.map(([, count]) => count),
        );
        const tell = (histogram: RecordableHistogram) =>
          [50, 90, 99, 99.9]
            .map((percentile) => histogram.percentile(percentile))
            .concat(histogram.count, histogram.max);
        expect(tell(added)).toEqual(tell(looped));
      }),
      { numRuns: 50 },
    );
  });

  it("takes milliseconds for billions", () => {
    const histogram = createLatencyHistogram();
    const values = Array.from({ length: 1000 }, (_, n) => 1000 * (n + 1));
    const startMs = performance.now();
    recordCounts(
      histogram,
      values,
      values.map(() => 2 ** 31 - 1),
    );
    expect(performance.now() - startMs).toBeLessThan(2000);
    expect(histogram.count).toBe(1000 * (2 ** 31 - 1));
    expect(Math.abs(histogram.percentile(50) - 500_000)).toBeLessThan(2000);
  });
});

describe("ages", () => {
  it("are those of the messages, as lower bounds, however many and however long ago", () => {
    const message = fc.record({
      dueMs: fc.double({ min: 0, max: 600_000, noNaN: true }),
      intervalMs: fc.double({ min: 0.01, max: 500, noNaN: true }),
      count: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 20 }), (noted) => {
        const ages = new MessageAges(0);
        const dues = noted.flatMap(({ dueMs, intervalMs, count }) => {
          ages.note(dueMs, intervalMs, count);
          return Array.from({ length: count }, (_, n) => dueMs + n * intervalMs);
        });
        const last = Math.max(...dues);
        const nowMs = last + 5;
        const histogram = createHistogram({ lowest: 1, highest: 3600e6, figures: 3 });
        const youngestUs = ages.recordInto(histogram, nowMs);
        expect(histogram.count).toBe(dues.length);
        expect(youngestUs).toBeCloseTo(5000, -1);
        const oldestUs = (nowMs - Math.min(...dues)) * 1000;
        expect(histogram.max).toBeLessThanOrEqual(oldestUs * 1.001 + 1);
        // The spans are a thousandth of the time or two.
        expect(histogram.max).toBeGreaterThan(oldestUs - nowMs * 1000 * 0.003 - 10_000);
      }),
      { numRuns: 60 },
    );
  });

  it("are none where nothing is unanswered", () => {
    const histogram = createLatencyHistogram();
    expect(new MessageAges(0).recordInto(histogram, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(histogram.count).toBe(0);
  });
});
