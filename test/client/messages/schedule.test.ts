// Tests when messages are due, without a clock or a socket.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageSchedule } from "../../../src/client/messages/schedule.js";

/**
 * Advances the cursor up to `untilMs`.
 * @returns the round, slot and due time of each message
 */
function walk(schedule: MessageSchedule, untilMs: number, end = 0): [number, number, number][] {
  const messages: [number, number, number][] = [];
  while (schedule.nextMs <= untilMs) {
    messages.push([schedule.round, schedule.slot, schedule.dueMs(schedule.round, schedule.slot)]);
    schedule.advance(end);
  }
  return messages;
}

describe("the message schedule", () => {
  it("divides the interval among all connections, even while few are open", () => {
    const schedule = new MessageSchedule(1000, 100, 4);
    expect(walk(schedule, 1199)).toEqual([
      [1, 0, 1000],
      [1, 1, 1025],
      [1, 2, 1050],
      [1, 3, 1075],
      [2, 0, 1100],
      [2, 1, 1125],
      [2, 2, 1150],
      [2, 3, 1175],
    ]);
    expect([schedule.lastRound(3), schedule.lastRound(0)]).toEqual([2, 2]);
  });

  it("gives slots beyond its number of connections a turn", () => {
    const schedule = new MessageSchedule(0, 100, 2);
    expect(walk(schedule, 100, 4).map(([round, slot]) => [round, slot])).toEqual([
      [1, 0],
      [1, 1],
      [1, 2],
      [1, 3],
      [2, 0],
    ]);
  });

  it("catches up after a short delay of a busy thread, and shifts after a suspension", () => {
    const schedule = new MessageSchedule(0, 100, 1);
    schedule.wake(0);
    walk(schedule, 0);
    schedule.promise(100);
    schedule.wake(310);
    expect(walk(schedule, 310).map(([, , dueMs]) => dueMs)).toEqual([100, 200, 300]);
    expect(schedule.movedMs).toBe(0);
    // The next message was due at 400; the process was suspended for 4 s.
    schedule.promise(400);
    schedule.wake(4400);
    expect(schedule.movedMs).toBe(4000);
    // There is still one message per interval: those due meanwhile are 4 s late, the others on time.
    expect(walk(schedule, 4400)).toEqual([[5, 0, 400]]);
    const later = walk(schedule, 8800);
    expect(later.slice(0, 3).map(([, , dueMs]) => dueMs)).toEqual([500, 600, 700]);
    expect(later.at(-1)![2]).toBe(8800);
    expect(later).toHaveLength(44);
  });

  it("does not shift after a sleep in which nothing was due", () => {
    const schedule = new MessageSchedule(0, 10_000, 1);
    schedule.wake(0);
    walk(schedule, 0);
    schedule.promise(10_000);
    schedule.wake(9000);
    expect(schedule.movedMs).toBe(0);
    schedule.promise(10_000);
    schedule.wake(10_001);
    expect(schedule.movedMs).toBe(0);
  });

  it("never makes a message due later than it may be sent, or before the previous one, however often it is suspended", () => {
    const sleeps = fc.array(fc.integer({ min: 0, max: 2000 }), { maxLength: 40 });
    fc.assert(
      fc.property(
        sleeps,
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 5 }),
        (pauses, intervalMs, turns) => {
          const schedule = new MessageSchedule(0, intervalMs, turns);
          let [nowMs, count, last] = [0, 0, -1];
          for (const pauseMs of pauses) {
            schedule.promise(schedule.nextMs);
            nowMs = Math.max(nowMs, schedule.nextMs) + pauseMs;
            const before = schedule.nextMs;
            schedule.wake(nowMs);
            // There is no burst: at most a quarter of a second is caught up.
            if (pauseMs > 250) expect(schedule.nextMs).toBeCloseTo(before + pauseMs, 3);
            for (const [round, slot, dueMs] of walk(schedule, nowMs)) {
              expect(dueMs).toBeLessThanOrEqual(schedule.sendMs(round, slot) + 1e-6);
              expect(dueMs).toBeGreaterThanOrEqual(last - 1e-6);
              last = dueMs;
              count++;
            }
          }
          expect(count).toBeLessThanOrEqual(((nowMs - schedule.movedMs) / intervalMs + 1) * turns + 1);
        },
      ),
    );
  });

  it("skips what is due by a given time", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 5000 }), fc.integer({ min: 1, max: 7 }), (untilMs, turns) => {
        const [walked, passed] = [new MessageSchedule(0, 70, turns), new MessageSchedule(0, 70, turns)];
        walk(walked, untilMs + 1e-7);
        passed.passOver(untilMs + 1e-7);
        const rounds = (schedule: MessageSchedule) => Array.from({ length: turns }, (_, n) => schedule.lastRound(n));
        expect(rounds(passed)).toEqual(rounds(walked));
      }),
    );
  });

  it("remembers for each message which suspensions ended before it was due", () => {
    const schedule = new MessageSchedule(1000, 100, 2);
    schedule.wake(1000);
    walk(schedule, 1000);
    // A pause of 1,000 ms delays the messages due up to 2,050.
    schedule.promise(1050);
    schedule.wake(2050);
    walk(schedule, 2050);
    // Another pause of 500 ms, among messages already delayed by the first.
    schedule.promise(2100);
    schedule.wake(2600);
    expect(schedule.movedMs).toBe(1500);
    const due = [
      [1, 0],
      [1, 1],
      [6, 1],
      [7, 0],
      [11, 0],
      [11, 1],
      [12, 0],
    ].map(([round, slot]) => schedule.dueMs(round!, slot!));
    expect(due).toEqual([1000, 1050, 1550, 2100, 2500, 3550, 3600]);
    // Slots beyond the number of turns are due at the end of their round.
    expect([schedule.dueMs(1, 2), schedule.dueMs(1, 9)]).toEqual([1100, 1100]);
  });

  it("shifts only if more than a quarter of a second late, and only if something was due", () => {
    const movedBy = (promisedMs: number, wokenMs: number) => {
      const schedule = new MessageSchedule(0, 500, 1);
      schedule.wake(0);
      walk(schedule, 0);
      schedule.promise(promisedMs);
      schedule.wake(wokenMs);
      return schedule.movedMs;
    };
    expect([movedBy(500, 750), movedBy(500, 751)]).toEqual([0, 251]);
    expect([movedBy(100, 499), movedBy(100, 500)]).toEqual([0, 400]);
  });

  it("skips nothing before its time, and one message at its time", () => {
    const schedule = new MessageSchedule(100, 100, 2);
    schedule.passOver(99);
    expect([schedule.round, schedule.slot]).toEqual([1, 0]);
    schedule.passOver(100);
    expect([schedule.round, schedule.slot]).toEqual([1, 1]);
    schedule.passOver(149);
    expect([schedule.round, schedule.slot]).toEqual([1, 1]);
  });
});
