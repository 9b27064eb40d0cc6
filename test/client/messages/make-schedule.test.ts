// Tests how the messages of several threads and machines take turns, without a clock or a socket.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { interleavedPlaces, makeSchedule } from "../../../src/client/messages/make-schedule.js";
import type { MessagePlan } from "../../../src/client/worker-plan.js";
import { sum } from "../../../src/util/share.js";

describe("the places of several threads", () => {
  const shares = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 });
  const placesOf = (counts: readonly number[]) =>
    counts.map((count, n) => interleavedPlaces(sum(counts.slice(0, n)), count, sum(counts)));

  it("are all places, each of them once, whatever their shares", () => {
    fc.assert(
      fc.property(shares, (counts) => {
        const all = placesOf(counts).flatMap((places) => [...places]);
        expect(all.sort((a, b) => a - b)).toEqual(all.map((_, n) => n));
      }),
    );
  });

  it("are spread over the whole interval for each of them", () => {
    fc.assert(
      fc.property(shares, (counts) => {
        const of = sum(counts);
        for (const places of placesOf(counts)) {
          const gaps = [...places].map((place, n) => (places[n + 1] ?? places[0]! + of) - place);
          expect(Math.max(...gaps) * places.length).toBeLessThan(3 * of);
        }
      }),
    );
  });

  it("are exact for as many connections as a fleet can have", () => {
    const of = 4_000_000_000;
    const ends = [0, of - 3].map((first) => [...interleavedPlaces(first, 3, of)]);
    expect(new Set(ends.flat()).size).toBe(6);
    for (const place of ends.flat()) expect(place).toBeLessThan(of);
  });
});

describe("the schedules of a fleet's threads", () => {
  const planOf = (of: number, before: number, sinceMs: number) =>
    ({ intervalMs: 1000, turns: { of, before, sinceMs } }) as MessagePlan;

  it("together have one message at a time, at equal distances, whenever each of them was made", () => {
    // Agents with 5 and 3 connections, the first of them with two threads.
    const threads = [
      { before: 0, earlier: 0, share: 3, madeMs: 400 },
      { before: 0, earlier: 3, share: 2, madeMs: 4750.5 },
      { before: 5, earlier: 0, share: 3, madeMs: 9_999 },
    ];
    const dueMs = threads.flatMap(({ before, earlier, share, madeMs }) => {
      const sinceMs = Date.now() - madeMs - 7000;
      const schedule = makeSchedule(planOf(8, before, sinceMs), { share, earlier }, madeMs);
      expect(schedule.nextMs).toBeGreaterThan(madeMs);
      expect(schedule.movedMs).toBe(0);
      const found: number[] = [];
      while (schedule.nextMs < 11_995) {
        if (schedule.nextMs >= 10_995) found.push(schedule.nextMs);
        schedule.advance(share);
      }
      return found;
    });
    dueMs.sort((a, b) => a - b);
    expect(dueMs).toHaveLength(8);
    // Date.now() has whole milliseconds.
    for (const [n, ms] of dueMs.entries()) expect(Math.abs(ms - dueMs[0]! - n * 125)).toBeLessThan(5);
  });

  it("skip what is due by a given time, and count the rounds of each connection", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 9 }), (untilMs, share) => {
        const made = () => makeSchedule(planOf(20, 4, Date.now()), { share, earlier: 2 }, 0);
        const [walked, passed] = [made(), made()];
        while (walked.nextMs <= untilMs) walked.advance(share);
        passed.passOver(untilMs);
        const rounds = (schedule: typeof walked) =>
          Array.from({ length: share }, (_, slot) => schedule.lastRound(slot));
        expect(rounds(passed)).toEqual(rounds(walked));
        // Passed once more, nothing moves.
        const cursor = [passed.round, passed.slot];
        passed.passOver(untilMs);
        expect([passed.round, passed.slot]).toEqual(cursor);
      }),
    );
  });
});
