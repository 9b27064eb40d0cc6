import { describe, expect, it } from "vitest";
import { Lots } from "../../src/server/accept-batching.js";
import { SHARED } from "../../src/server/worker-plan.js";
import { until } from "../support/until.js";

const lotsOf = (backlog: number, taken = 0) => {
  const shared = new Int32Array(SHARED.words);
  shared[SHARED.taken] = taken;
  return new Lots(shared, backlog);
};
/** Accepts until the thread stands still: twice within a millisecond, which a busy machine does not do each time. */
const untilItGathers = (lots: Lots, count: number) =>
  until("it stands still", () => lots.gather(count, false) || lots.gather(count, false));

describe("connections that come fast", () => {
  it("gather: as soon as the next are accepted within a moment, and so on while lots are large", async () => {
    const lots = lotsOf(4096);
    expect(lots.gather(50, false)).toBe(false);
    await untilItGathers(lots, 50);
    await untilItGathers(lots, 50);
  });

  it("gather where the count of all that were ever taken goes round", async () => {
    const lots = lotsOf(4096, 2 ** 31 - 60);
    await untilItGathers(lots, 50);
    await untilItGathers(lots, 50);
  });

  it("are taken one by one for a while when a lot was small", async () => {
    const lots = lotsOf(4096);
    await untilItGathers(lots, 1);
    // The lot, of one; and the next, within the while or after a pause.
    expect([lots.gather(1, false), lots.gather(50, false)]).toEqual([false, false]);
  });

  it("do not gather in a short accept queue, nor when none came or others wait already", () => {
    const [short, long, behind] = [lotsOf(511), lotsOf(4096), lotsOf(4096)];
    for (let n = 0; n < 100; n++) {
      expect([short.gather(50, false), long.gather(0, false), behind.gather(64, true)]).toEqual([false, false, false]);
    }
  });
});
