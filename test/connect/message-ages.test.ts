// Messages without an answer count as late as they are at the end.
import { createHistogram } from "node:perf_hooks";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageAges } from "../../src/connect/message-ages.js";
import { createLatencyHistogram, recordMany } from "../../src/engine/latency.js";

describe("recordMany", () => {
  it("records a value as often as a loop would", () => {
    for (const count of [0, 1, 1999, 2001, 100_003, 5_000_000]) {
      const histogram = createLatencyHistogram();
      histogram.record(7);
      recordMany(histogram, 1234, count);
      expect(histogram.count).toBe(count + 1);
      if (count > 100) expect([histogram.percentile(50), histogram.percentile(99)]).toEqual([1234, 1234]);
    }
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
