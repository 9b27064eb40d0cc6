// Tests heartbeats with a fake clock: each slot gets one per interval, evenly spaced, and never all at once.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Heartbeats } from "../../src/engine/heartbeats.js";
import { LEAST_HEARTBEAT_GAP } from "../../src/protocols/contract.js";

/** Returns the slots whose heartbeats were due, with their times. */
function run(intervalMs: number, end: number, untilMs: number, stepMs: number) {
  const beats: { slot: number; ms: number }[] = [];
  let nowMs = 0;
  const heartbeats = new Heartbeats({ beat: (slot) => beats.push({ slot, ms: nowMs }) }, intervalMs, 0);
  for (; nowMs <= untilMs; nowMs += stepMs) heartbeats.sendDue(nowMs, end);
  return beats;
}

it("are due once per interval for every slot, spread over the interval", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 100, max: 5000 }), (end, intervalMs) => {
      // Ends one step past the third interval, whose last heartbeats may be due within its last step.
      const beats = run(intervalMs, end, 3 * intervalMs + 5, 5);
      for (const slot of [0, Math.floor(end / 2), end - 1]) {
        const own = beats.filter((beat) => beat.slot === slot).map(({ ms }) => ms);
        expect(own.length).toBeGreaterThanOrEqual(3);
        for (let n = 1; n < own.length; n++)
          expect(Math.abs(own[n]! - own[n - 1]! - intervalMs)).toBeLessThanOrEqual(10);
      }
    }),
    { numRuns: 30 },
  );
});

it.each([20, 100, 600, 1024, 1500])("of %i slots are evenly distributed over the parts of the interval", (end) => {
  const beats = run(1000, end, 999, 1);
  const tenths = Array.from(
    { length: 10 },
    (_, tenth) => beats.filter(({ ms }) => Math.floor(ms / 100) === tenth).length,
  );
  expect(Math.min(...tenths)).toBeGreaterThanOrEqual(Math.floor(0.9 * (end / 10)));
  expect(Math.max(...tenths)).toBeLessThanOrEqual(Math.ceil(1.1 * (end / 10)) + 1);
});

it("are awaited until the next one, and sent in groups", () => {
  const beats: number[] = [];
  const heartbeats = new Heartbeats({ beat: (slot) => beats.push(slot) }, 1000, 0);
  heartbeats.sendDue(0, 3);
  // Three slots have four places, of which the last is empty.
  expect(heartbeats.nextInMs(0, 3)).toBe(250);
  heartbeats.sendDue(250, 3);
  expect(heartbeats.nextInMs(250, 3)).toBe(250);
  heartbeats.sendDue(500, 3);
  expect(heartbeats.nextInMs(500, 3)).toBe(500);
  expect(beats).toEqual([0, 2, 1]);

  const many = new Heartbeats({ beat: () => undefined }, 1000, 0);
  many.sendDue(0, 1024);
  expect(many.nextInMs(0, 1024)).toBe(10);
});

it("are not caught up after a suspension", () => {
  let beats = 0;
  const heartbeats = new Heartbeats({ beat: () => beats++ }, 100, 0);
  heartbeats.sendDue(60_000, 100);
  heartbeats.sendDue(60_000, 100);
  expect(beats).toBeGreaterThan(0);
  expect(beats).toBeLessThanOrEqual(30);
});

/** Returns the times between two heartbeats of each slot, if the thread is awake only at `times`. */
function gaps(intervalMs: number, end: number, times: readonly number[]): number[] {
  const last = new Map<number, number>();
  const found: number[] = [];
  let nowMs = 0;
  const beat = (slot: number) => {
    if (last.has(slot)) found.push(nowMs - last.get(slot)!);
    last.set(slot, nowMs);
  };
  const heartbeats = new Heartbeats({ beat }, intervalMs, 0);
  for (const time of times) {
    nowMs = time;
    heartbeats.sendDue(nowMs, end);
  }
  expect(last.size).toBe(end);
  return found;
}

it("leave peers time to answer, however late the thread is", () => {
  const delays = fc.array(fc.oneof({ weight: 9, arbitrary: fc.constant(5) }, fc.integer({ min: 5, max: 4000 })), {
    minLength: 3000,
    maxLength: 3000,
  });
  fc.assert(
    fc.property(delays, fc.integer({ min: 1, max: 600 }), (waits, end) => {
      let ms = 0;
      const times = waits.map((wait) => {
        ms += wait;
        return ms;
      });
      // Two consecutive heartbeats may fall on the same place, one late and the other at the beginning of its step.
      expect(Math.min(...gaps(1000, end, times))).toBeGreaterThanOrEqual(1000 * LEAST_HEARTBEAT_GAP - 1);
    }),
    { numRuns: 20 },
  );
});

it("of an overloaded thread are late for all slots, and skipped for none", () => {
  // 512 heartbeats in 100 ms: a round of 10,240 takes 2 s, twice the interval.
  const times = Array.from({ length: 200 }, (_, turn) => turn * 100);
  const found = gaps(1000, 10_240, times);
  expect(found.length).toBeGreaterThanOrEqual(8 * 10_240);
  expect(Math.max(...found)).toBeLessThanOrEqual(2400);
});

it.each([1, 900])("of slots added after %i ms are due within an interval, and not all at once", (addedMs) => {
  const first = new Map<number, number>();
  let nowMs = 0;
  const heartbeats = new Heartbeats({ beat: (slot) => first.has(slot) || first.set(slot, nowMs) }, 1000, 0);
  for (; nowMs <= addedMs + 1010; nowMs++) heartbeats.sendDue(nowMs, nowMs < addedMs ? 0 : 100);
  const times = [...first.values()];
  expect(first.size).toBe(100);
  expect(times.filter((ms) => ms < addedMs + 100).length).toBeLessThanOrEqual(12);
});

it("keep their schedule when slots are added", () => {
  const last = new Map<number, number>();
  let [nowMs, end, longestMs] = [0, 500, 0];
  const heartbeats = new Heartbeats(
    {
      beat: (slot) => {
        longestMs = Math.max(longestMs, nowMs - (last.get(slot) ?? nowMs));
        last.set(slot, nowMs);
      },
    },
    1000,
    0,
  );
  for (; nowMs < 9010; nowMs += 5) {
    if (nowMs % 500 === 0 && nowMs < 8000) end += 700;
    heartbeats.sendDue(nowMs, end);
  }
  expect(last.size).toBe(end);
  expect(longestMs).toBeLessThanOrEqual(1010);
});
