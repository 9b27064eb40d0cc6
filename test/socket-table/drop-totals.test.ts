// Tests that drops of accept queues add up by endpoint and never decrease.
import { expect, it } from "vitest";
import { DropTotals } from "../../src/socket-table/listeners/drop-totals.js";

function totalsOf(...readings: Record<number, number>[]): (number | undefined)[] {
  const totals = new DropTotals();
  const toMap = (reading: Record<number, number>) => new Map(Object.entries(reading).map(([ino, n]) => [+ino, n]));
  return readings.map((reading) => totals.update(new Map([["endpoint", toMap(reading)]])).get("endpoint"));
}

it.each([
  ["one of two sockets closes", [{ 1: 5, 2: 3 }, { 2: 4 }, { 2: 6 }], [8, 9, 11]],
  ["a reading misses a socket", [{ 1: 5, 2: 3 }, { 2: 3 }, { 1: 6, 2: 3 }], [8, 8, 9]],
  [
    "a new socket gets a closed one's inode",
    [
      { 1: 5, 2: 3 },
      { 1: 0, 2: 3 },
      { 1: 2, 2: 3 },
    ],
    [8, 8, 10],
  ],
])("a total does not decrease if %s", (_, readings, expected) => {
  expect(totalsOf(...readings)).toEqual(expected);
});

it("closed sockets keep counting, however many there are", () => {
  const readings = Array.from({ length: 100 }, (_, n) => ({ 1: 0, [n + 2]: 1 }));
  expect(totalsOf(...readings)).toEqual(readings.map((__, n) => n + 1));
});

it("an endpoint that has closed starts again from 0", () => {
  const totals = new DropTotals();
  const reading = (drops: number) => new Map([["endpoint", new Map([[1, drops]])]]);
  totals.update(reading(5));
  totals.update(new Map());
  expect(totals.update(reading(0)).get("endpoint")).toBe(0);
});
