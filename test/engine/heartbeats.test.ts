// Tests heartbeats with a fake clock: each slot gets one per interval, evenly spaced, and never all at once.
import fc from "fast-check";
import { expect, it } from "vitest";
import { Heartbeats } from "../../src/engine/heartbeats.js";

/** Returns the slots whose heartbeats were due, with the time of each. */
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
      // One step past the third interval, whose last heartbeats may be due within its last step.
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

it("are evenly distributed over the parts of the interval", () => {
  const beats = run(1000, 1024, 999, 1);
  const tenths = Array.from(
    { length: 10 },
    (_, tenth) => beats.filter(({ ms }) => Math.floor(ms / 100) === tenth).length,
  );
  expect(Math.min(...tenths)).toBeGreaterThanOrEqual(100);
  expect(Math.max(...tenths)).toBeLessThanOrEqual(105);
});

it("are awaited until the next one, and sent in groups", () => {
  const heartbeats = new Heartbeats({ beat: () => undefined }, 1000, 0);
  heartbeats.sendDue(0, 10);
  // Ten of 1,024 slots are in use: their heartbeats are due within the first 10 ms.
  expect(heartbeats.nextInMs(0, 10)).toBe(10);
  heartbeats.sendDue(10, 10);
  expect(heartbeats.nextInMs(10, 10)).toBe(990);
});

it("are not caught up after a suspension", () => {
  let beats = 0;
  const heartbeats = new Heartbeats({ beat: () => beats++ }, 100, 0);
  heartbeats.sendDue(60_000, 100);
  heartbeats.sendDue(60_000, 100);
  expect(beats).toBeGreaterThanOrEqual(100);
  expect(beats).toBeLessThanOrEqual(101);
});

it("continue when slots are added, at most an interval late", () => {
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
  for (; nowMs < 8000; nowMs += 5) {
    if (nowMs % 500 === 0) end += 700;
    heartbeats.sendDue(nowMs, end);
  }
  expect(last.size).toBe(end);
  expect(longestMs).toBeLessThanOrEqual(2010);
});
