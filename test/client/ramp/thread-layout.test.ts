import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  layOutThreads,
  mostConnections,
  shareOf,
  type ThreadLayout,
  targetOf,
} from "../../../src/client/ramp/thread-layout.js";
import { KEPT_DESCRIPTORS } from "../../../src/engine/threads/descriptor-reserve.js";

const anyLayout = fc
  .record({
    connections: fc.integer({ min: 1, max: 400 }),
    workers: fc.integer({ min: 1, max: 40 }),
    active: fc.integer({ min: 1, max: 8 }),
  })
  .map(
    ({ connections, workers, active }): ThreadLayout => ({ connections, workers, active: Math.min(workers, active) }),
  );

const numbers = (count: number) => Array.from({ length: count }, (_, index) => index);
const targets = (layout: ThreadLayout, wanted: number) =>
  numbers(layout.workers).map((index) => targetOf(layout, index, wanted));
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe("targets", () => {
  it("add up to the wanted number, from zero to all", () => {
    fc.assert(
      fc.property(anyLayout, (layout) => {
        for (let wanted = 0; wanted <= layout.connections; wanted++) {
          expect(sum(targets(layout, wanted)), `wanted ${wanted}`).toBe(wanted);
        }
      }),
    );
  });

  it("stay within each worker's share, and reach it when all are wanted", () => {
    fc.assert(
      fc.property(anyLayout, fc.integer({ min: 0, max: 800 }), (layout, wanted) => {
        const shares = numbers(layout.workers).map((index) => shareOf(layout, index));
        targets(layout, wanted).forEach((target, index) => {
          expect(target >= 0 && target <= shares[index]!).toBe(true);
        });
        expect(targets(layout, layout.connections)).toEqual(shares);
        expect(sum(shares)).toBe(layout.connections);
      }),
    );
  });

  it("never fall as more is wanted", () => {
    fc.assert(
      fc.property(anyLayout, (layout) => {
        let before = targets(layout, 0);
        for (let wanted = 1; wanted <= layout.connections; wanted++) {
          const now = targets(layout, wanted);
          if (!now.every((target, index) => target >= before[index]!)) expect(now, `wanted ${wanted}`).toEqual(before);
          before = now;
        }
      }),
    );
  });

  it("fill wave by wave: a later wave starts when the earlier ones are full", () => {
    const layout: ThreadLayout = { connections: 100, workers: 4, active: 2 };
    expect(targets(layout, 30)).toEqual([15, 15, 0, 0]);
    expect(targets(layout, 50)).toEqual([25, 25, 0, 0]);
    expect(targets(layout, 61)).toEqual([25, 25, 6, 5]);
  });
});

describe("the layout", () => {
  const tableSizes = fc.integer({ min: 1024, max: 1_048_576 });

  it("gives each worker a share that fits into its table next to every thread's own descriptors", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000_000 }),
        tableSizes,
        fc.integer({ min: 3, max: 30 }),
        fc.integer({ min: 1, max: 64 }),
        (connections, size, used, cores) => {
          const layout = layOutThreads(connections, size, used, cores);
          expect(layout.workers).toBeGreaterThanOrEqual(1);
          expect(layout.active).toBe(Math.min(cores, layout.workers));
          // Use few threads: with many, their own descriptors exceed the number set aside for them; see below.
          fc.pre(layout.workers <= 6);
          expect(shareOf(layout, 0) + used + 4 * layout.workers).toBeLessThanOrEqual(size);
        },
      ),
    );
  });

  it("counts the descriptors of the threads that it actually requests: 50,000 with tables of 1,024", () => {
    const layout = layOutThreads(50_000, 1024, 25, 2);
    expect(shareOf(layout, 0) + 25 + 4 * layout.workers).toBeLessThanOrEqual(1024);
  });

  it("has one thread for a small run, one per core for a large one, and no more unless the table limits it", () => {
    expect(layOutThreads(1, 20_000, 30, 8)).toEqual({ connections: 1, workers: 1, active: 1 });
    expect(layOutThreads(1000, 20_000, 30, 8).workers).toBe(1);
    expect(layOutThreads(1001, 20_000, 30, 8).workers).toBe(2);
    expect(layOutThreads(1_000_000, 1_048_576, 30, 8).workers).toBe(8);
    expect(layOutThreads(5_000_000, Number.POSITIVE_INFINITY, 30, 2)).toEqual({
      connections: 5_000_000,
      workers: 2,
      active: 2,
    });
  });

  it("holds a million with tables of 20,000", () => {
    const { workers } = layOutThreads(1_000_000, 20_000, 30, 2);
    expect(workers).toBeGreaterThanOrEqual(50);
    expect(workers).toBeLessThan(60);
  });

  it("starts with one thread if the table is too small for anything", () => {
    expect(layOutThreads(10_000, 40, 30, 4)).toEqual({ connections: 10_000, workers: 1, active: 1 });
  });
});

describe("a limited table", () => {
  it("is handled with the fewest threads that suffice, and no more than still add room", () => {
    expect(layOutThreads(50_000, 1024, 25, 2)).toEqual({ connections: 50_000, workers: 74, active: 2 });
    // With 975 and 976 free descriptors, another thread would leave each less than half.
    expect(layOutThreads(1e9, 1024, 25, 2).workers).toBe(121);
    expect(layOutThreads(1e9, 1024, 24, 2).workers).toBe(122);
    // 1,000 connections over two threads: 500 plus the four descriptors of each thread.
    expect(layOutThreads(1000, 24 + 508, 0, 2).workers).toBe(2);
    expect(layOutThreads(1000, 24 + 507, 0, 2).workers).toBe(3);
    expect(layOutThreads(2000, 24 + 1007, 0, 2).workers).toBe(3);
    expect(layOutThreads(2000, 24 + 1008, 0, 2).workers).toBe(2);
  });

  it("has room for a second thread with eight free descriptors, but not with seven", () => {
    expect(layOutThreads(10_000, 62, 30, 4).workers).toBe(4);
    expect(layOutThreads(10_000, 61, 30, 4).workers).toBe(1);
  });

  it("holds as many connections as the tables of all threads, or as one shared table", () => {
    expect(mostConnections(Number.POSITIVE_INFINITY, 20, true, 2)).toBe(Number.POSITIVE_INFINITY);
    expect(mostConnections(1024, 24, true, 2)).toBe(122 * (1000 - 13));
    expect(mostConnections(40, 30, true, 4)).toBe(0);
    expect(mostConnections(20, 30, true, 4)).toBe(0);
    expect(mostConnections(1024, 24, false, 2)).toBe(1000 - KEPT_DESCRIPTORS - 8);
    expect(mostConnections(1024, 24, false, 4)).toBe(1000 - KEPT_DESCRIPTORS - 16);
    expect(mostConnections(20, 30, false, 2)).toBe(0);
    expect(mostConnections(34, 30, false, 2)).toBe(0);
  });
});
