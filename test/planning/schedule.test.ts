import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Schedule, stagedSchedule, steadySchedule } from "../../src/planning/schedule.js";

describe("a steady schedule", () => {
  it("requests everything at once without a rate", () => {
    const schedule = steadySchedule(1000);
    expect([schedule.endMs, schedule.peak, schedule.wantedAt(0)]).toEqual([0, 1000, 1000]);
  });

  it("starts the first at once and the last on time", () => {
    const schedule = steadySchedule(200, 400);
    expect(schedule.endMs).toBe(500);
    expect([0, 2.4, 2.5, 250, 497.5, 500, 9999].map(schedule.wantedAt)).toEqual([1, 1, 2, 101, 200, 200, 200]);
  });

  it("has no points that must not be skipped", () => {
    expect([steadySchedule(5).turnsMs, steadySchedule(5, 2).turnsMs]).toEqual([[], []]);
  });

  it("accepts rates below one", () => {
    const schedule = steadySchedule(3, 0.1);
    expect([0, 9_999, 10_000, 20_000].map(schedule.wantedAt)).toEqual([1, 1, 2, 3]);
  });

  it("never falls, never exceeds the total, and reaches it by its end", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1e7 }),
        fc.double({ min: 0.01, max: 1e6, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (connections, rate, at) => {
          const { wantedAt, endMs } = steadySchedule(connections, rate);
          const now = wantedAt(at * endMs);
          expect(now >= 1 && now <= connections && Number.isInteger(now)).toBe(true);
          expect(wantedAt(at * endMs + 1)).toBeGreaterThanOrEqual(now);
          expect(wantedAt(endMs)).toBe(connections);
        },
      ),
    );
  });
});

describe("schedules of equal parts", () => {
  const parts = [0, 1, 2].map((index) => ({ index, of: 3 }));
  const seconds = Array.from({ length: 31 }, (_, n) => n * 1000);
  const sum = (schedules: readonly Schedule[], ms: number) =>
    schedules.reduce((total, { wantedAt }) => total + wantedAt(ms), 0);

  it("start their connections in turn", () => {
    const whole = steadySchedule(9, 0.5);
    const divided = parts.map((turn) => steadySchedule(3, 0.5 / 3, turn));
    expect(seconds.map((ms) => sum(divided, ms))).toEqual(seconds.map(whole.wantedAt));
    expect(divided.map(({ wantedAt, endMs }) => wantedAt(endMs))).toEqual([3, 3, 3]);
  });

  it("open their connections in turn, up and down", () => {
    const stages = (target: number) => [
      { durationMs: 20_000, target },
      { durationMs: 10_000, target: 0 },
    ];
    const whole = stagedSchedule(stages(9));
    const divided = parts.map((turn) => stagedSchedule(stages(3), turn));
    expect(seconds.map((ms) => sum(divided, ms))).toEqual(seconds.map(whole.wantedAt));
  });
});

describe("a staged schedule", () => {
  const schedule = stagedSchedule([
    { durationMs: 1000, target: 100 },
    { durationMs: 500, target: 100 },
    { durationMs: 1000, target: 20 },
    { durationMs: 10, target: 60 },
  ]);

  it("follows straight lines, up and down, and stays at its last target", () => {
    expect([0, 500, 1000, 1250, 1500, 2000, 2500, 2505, 2510, 99_999].map((ms) => schedule.wantedAt(ms))).toEqual([
      0, 50, 100, 100, 100, 60, 20, 40, 60, 60,
    ]);
    expect([schedule.endMs, schedule.peak]).toEqual([2510, 100]);
    expect(schedule.turnsMs).toEqual([1000, 1500, 2500, 2510]);
  });

  it("has integer values between the targets of its stage", () => {
    const stages = fc.array(fc.record({ durationMs: fc.integer({ min: 1, max: 5000 }), target: fc.nat(1e6) }), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(stages, fc.double({ min: 0, max: 1, noNaN: true }), (all, at) => {
        const { wantedAt, endMs, peak } = stagedSchedule(all);
        const wanted = wantedAt(at * endMs);
        expect(Number.isInteger(wanted) && wanted >= 0 && wanted <= peak).toBe(true);
        expect(wantedAt(endMs)).toBe(all.at(-1)!.target);
      }),
    );
  });
});
