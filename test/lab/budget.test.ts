// Tests how a quick run divides its time: at most two minutes for the usual client loads.
import { describe, expect, it, vi } from "vitest";
import { Budget } from "../../src/lab/budget.js";
import { EXPERIMENTS } from "../../src/lab/catalogue.js";

const USUAL = { connections: 70_000, messageRatePerSec: 4000 };
const SECOND = 1000;

describe("the budget of a quick run", () => {
  it("is two minutes, whatever the experiments do", () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    try {
      const startMs = performance.now();
      const budget = new Budget(EXPERIMENTS, USUAL);
      for (const experiment of EXPERIMENTS) {
        const ms = budget.next(experiment);
        expect(ms).toBeGreaterThan(4 * SECOND);
        vi.advanceTimersByTime(ms);
      }
      expect(performance.now() - startMs).toBeLessThan(120 * SECOND);
    } finally {
      vi.useRealTimers();
    }
  });

  it("gives unused time to later experiments, and twice its share to a single one", () => {
    const [first, second] = EXPERIMENTS as [(typeof EXPERIMENTS)[0], (typeof EXPERIMENTS)[0]];
    const alone = new Budget([first], USUAL).next(first);
    expect(alone).toBeCloseTo(2 * first.quickMs(USUAL), -2);
    const both = new Budget([first, second], USUAL);
    expect(both.next(second)).toBeGreaterThan(both.next(first) + second.quickMs(USUAL));
  });

  it("grows with more connections than usual, and with a lower rate", () => {
    const of = (context: typeof USUAL) => EXPERIMENTS.reduce((sum, { quickMs }) => sum + quickMs(context), 0);
    expect(of({ ...USUAL, connections: 700_000 })).toBeGreaterThan(of(USUAL) + 100 * SECOND);
    expect(of({ ...USUAL, messageRatePerSec: 200 })).toBeGreaterThan(of(USUAL) + 40 * SECOND);
  });
});
