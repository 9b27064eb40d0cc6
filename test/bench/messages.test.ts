// Tests the search for a pair's highest sustainable rate, with pairs of known capacity.
import { describe, expect, it } from "vitest";

const { findHighest } = await import(String(new URL("../../bench/messages.mjs", import.meta.url)));

/** A pair that answers at most `capacity` messages per second: immediately below that rate, late above it. */
const pairOf = (capacity: number) => async (ratePerSec: number) => ({
  answered: Math.min(ratePerSec, capacity),
  seconds: 1,
  p99Us: ratePerSec > capacity ? 500_000 : 1000,
});

describe("the highest sustainable rate", () => {
  it.each([3000, 39_999, 40_000, 63_000, 150_000, 1_000_000])(
    "is found for a pair that can handle %i per second",
    async (capacity) => {
      const { highestPerSec, trials } = await findHighest(pairOf(capacity));
      expect(highestPerSec).toBeLessThanOrEqual(capacity);
      expect(highestPerSec).toBeGreaterThan(capacity * 0.84);
      expect(trials.length).toBeLessThanOrEqual(8);
    },
  );

  it("requires all answers, not only fast ones", async () => {
    const play = async (ratePerSec: number) => ({ answered: ratePerSec * 0.97, seconds: 1, p99Us: 10 });
    const { highestPerSec, trials } = await findHighest(play);
    expect([highestPerSec, trials.length]).toEqual([0, 8]);
  });
});
