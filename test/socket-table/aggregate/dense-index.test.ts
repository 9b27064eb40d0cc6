import fc from "fast-check";
import { expect, it } from "vitest";
import { Counts, PairIndex, topIds, topIndexes } from "../../../src/socket-table/aggregate/dense-index.js";

const word = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }));

it("numbers pairs like a Map, in order of first occurrence", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(word, word), { maxLength: 300 }), (pairs) => {
      const index = new PairIndex(1);
      const map = new Map<string, number>();
      for (const [a, b] of pairs) {
        const key = `${a},${b}`;
        if (!map.has(key)) map.set(key, map.size);
        expect(index.idOf(a, b)).toBe(map.get(key));
      }
      expect(index.size).toBe(map.size);
      for (const [key, id] of map) {
        expect(`${index.first(id)},${index.second(id)}`).toBe(key);
        expect(index.find(index.first(id), index.second(id))).toBe(id);
      }
    }),
  );
  expect(new PairIndex().find(1, 2)).toBe(-1);
});

it("treats unsigned numbers like their signed equivalents, and grows past a hundred thousand", () => {
  const index = new PairIndex();
  for (let i = 0; i < 150_000; i++) expect(index.idOf(0xff000000 + i, i % 7)).toBe(i);
  expect(index.find(0xff000000 + 149_999, 149_999 % 7)).toBe(149_999);
  const counts = new Counts();
  for (const id of [0, 200_000, 200_000]) counts.add(id);
  expect([counts.get(0), counts.get(200_000), counts.get(1), counts.get(9_999_999)]).toEqual([1, 2, 0, 0]);
});

it("ranks like sorting", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 })), fc.integer({ min: 0, max: 5 }), (weights, top) => {
      const sorted = weights
        .map((weight, id) => ({ weight, id }))
        .filter(({ weight }) => weight > 0)
        .sort((a, b) => b.weight - a.weight || a.id - b.id);
      const best = sorted.slice(0, top).map(({ id }) => id);
      expect(topIds(weights.length, top, (id) => weights[id]!)).toEqual(best);
      expect(topIndexes(Int32Array.from(weights), top)).toEqual(best);
    }),
  );
});

it("ranks a hundred thousand out of as many in little time", () => {
  const size = 100_000;
  const weights = Int32Array.from({ length: size }, (_, id) => 1 + ((id * 7919) % 50));
  // CPU time of this process: wall-clock time also passes while other programs have the CPU.
  const start = process.cpuUsage();
  const best = topIds(size, size, (id) => weights[id]!);
  const { user, system } = process.cpuUsage(start);
  expect((user + system) / 1000).toBeLessThan(1000);
  expect(best).toHaveLength(size);
  expect([weights[best[0]!], weights[best.at(-1)!]]).toEqual([50, 1]);
});

it("orders equal elements as requested", () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3 })), fc.integer({ min: 1, max: 5 }), (weights, top) => {
      const sorted = weights
        .map((weight, id) => ({ weight, id }))
        .filter(({ weight }) => weight > 0)
        .sort((a, b) => b.weight - a.weight || b.id - a.id);
      const best = topIds(
        weights.length,
        top,
        (id) => weights[id]!,
        (a, b) => b - a,
      );
      expect(best).toEqual(sorted.slice(0, top).map(({ id }) => id));
    }),
  );
});
