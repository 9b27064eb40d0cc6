// Tests the ages of lost and kept connections against plain lists.
import fc from "fast-check";
import { expect, it, vi } from "vitest";
import { LossStats } from "../../../src/client/evidence/loss-stats.js";
import { CLIENT_METRICS, COUNTER } from "../../../src/client/metrics.js";

const NAMES = [
  "shortestHeldMs",
  "longestHeldMs",
  "firstLostAt",
  "lastLostAt",
  "kept",
  "keptOlder",
  "keptYounger",
  "oldestKeptMs",
] as const;
const NOW = 10_000;

/**
 * Returns the counters for connections that are established at these times, some of which are lost after the given
 * times.
 */
function measure(connections: readonly { readonly at: number; readonly lostAfter?: number | undefined }[]) {
  const counters = new Float64Array(CLIENT_METRICS.layout.counters);
  const ages = new LossStats(counters, connections.length);
  for (const [slot, { at }] of connections.entries()) ages.established(slot, at);
  connections.forEach(({ at, lostAfter }, slot) => {
    if (lostAfter !== undefined) ages.lost(slot, at + lostAfter);
  });
  const clock = vi.spyOn(performance, "now").mockReturnValue(NOW);
  ages.countKept(connections.length, (slot) => connections[slot]!.lostAfter === undefined);
  clock.mockRestore();
  return Object.fromEntries(NAMES.map((name) => [name, counters[COUNTER[name]]]));
}

const connection = fc.record({
  // A small range, so that many values coincide.
  at: fc.integer({ min: 1, max: 12 }),
  lostAfter: fc.option(fc.integer({ min: 0, max: 4000 }), { nil: undefined }),
});

it("are the extremes of the lost connections, and counts of the kept ones by age", () => {
  fc.assert(
    fc.property(fc.array(connection, { maxLength: 30 }), (connections) => {
      const lost = connections.filter(({ lostAfter }) => lostAfter !== undefined);
      const kept = lost.length > 0 ? connections.filter(({ lostAfter }) => lostAfter === undefined) : [];
      const held = lost.map(({ lostAfter }) => lostAfter!);
      const times = lost.map(({ at }) => at);
      const [first, last] = [Math.min(...times), Math.max(...times)];
      const none = lost.length === 0;
      expect(measure(connections)).toEqual({
        shortestHeldMs: none ? 0 : Math.min(...held),
        longestHeldMs: none ? 0 : Math.max(...held),
        firstLostAt: none ? 0 : first,
        lastLostAt: none ? 0 : last,
        kept: kept.length,
        keptOlder: kept.filter(({ at }) => at <= first).length,
        keptYounger: kept.filter(({ at }) => at >= last).length,
        oldestKeptMs: Math.max(0, ...kept.map(({ at }) => NOW - at)),
      });
    }),
  );
});

it("are never negative, even if a clock is read before the connection's", () => {
  const ages = new LossStats(new Float64Array(64), 1);
  ages.established(0, 100);
  expect([ages.heldMs(0, 90), ages.heldMs(0, 100), ages.heldMs(0, 130)]).toEqual([0, 0, 30]);
});
