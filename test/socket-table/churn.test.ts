// Compares the number of sockets kept between two passes with that of a Set, for orders that differ a little or entirely.
import { describe, expect, it } from "vitest";
import { countKept, Hashes } from "../../src/socket-table/churn.js";

function hashesOf(ids: readonly number[]): Hashes {
  const hashes = new Hashes();
  for (const id of ids) hashes.add(Math.imul(id + 1, 0x9e3779b1), id);
  return hashes;
}

const ALL = Array.from({ length: 20_000 }, (_, id) => id);
const without = (ids: readonly number[], divisor: number) => ids.filter((id) => id % divisor !== 0);
const CASES: readonly [name: string, before: readonly number[], now: readonly number[]][] = [
  ["the same", ALL, ALL],
  ["some closed", ALL, without(ALL, 7)],
  ["some opened", without(ALL, 5), ALL],
  ["both", without(ALL, 5), without(ALL, 7)],
  ["neighbours swapped", ALL, ALL.map((id) => id ^ 1)],
  ["in reverse", without(ALL, 3), without(ALL, 4).toReversed()],
  ["a long run closed", ALL, ALL.slice(5000)],
  ["a long run opened", ALL.slice(5000), ALL],
  ["nothing before", [], ALL],
  ["nothing now", ALL, []],
  ["no socket of before", ALL.slice(0, 9000), ALL.slice(9000)],
];

describe("sockets in both passes", () => {
  it.each(CASES)("%s", (_, before, now) => {
    const first = new Set(before);
    const expected = now.filter((id) => first.has(id)).length;
    expect(countKept(hashesOf(before), hashesOf(now))).toBe(expected);
  });
});
