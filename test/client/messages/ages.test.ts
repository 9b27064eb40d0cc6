// Tests that unanswered messages count with their age at the end of the run.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageAges } from "../../../src/client/messages/ages.js";
import { Histogram } from "../../../src/results/histogram/histogram.js";

describe("ages", () => {
  it("are lower bounds of the messages' latencies, for any number and age", () => {
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
        const histogram = new Histogram();
        const youngestUs = ages.recordInto(histogram, nowMs);
        expect(histogram.count).toBe(dues.length);
        expect(youngestUs).toBeCloseTo(5000, -1);
        const oldestUs = (nowMs - Math.min(...dues)) * 1000;
        expect(histogram.max).toBeLessThanOrEqual(oldestUs * 1.001 + 1);
        // Each span covers one or two thousandths of the time.
        expect(histogram.max).toBeGreaterThan(oldestUs - nowMs * 1000 * 0.003 - 10_000);
      }),
      { numRuns: 60 },
    );
  });

  it("are empty if nothing is unanswered", () => {
    const histogram = new Histogram();
    expect(new MessageAges(0).recordInto(histogram, 1000)).toBe(Number.POSITIVE_INFINITY);
    expect(histogram.count).toBe(0);
  });
});
