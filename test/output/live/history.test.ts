// Tests the bounded history of a run.
import { expect, it } from "vitest";
import type { Column } from "../../../src/output/live/feed.js";
import { History } from "../../../src/output/live/history.js";

const COLUMNS: readonly Column[] = [
  { name: "elapsedMs", merge: "last" },
  { name: "p99", merge: "max" },
];

const readings = (count: number) => Array.from({ length: count }, (_, index) => [index + 1, index === 4 ? 900 : 10]);

it("keeps every reading until it is full", () => {
  const history = new History(COLUMNS, undefined, 8);
  for (const row of readings(8)) history.add(row);
  expect(history.rows).toEqual(readings(8));
});

it("never exceeds its capacity, and keeps the newest reading and each highest latency", () => {
  const history = new History(COLUMNS, undefined, 8);
  for (const row of readings(1001)) {
    history.add(row);
    expect(history.rows.length).toBeLessThanOrEqual(8);
    expect(history.rows.at(-1)![0]).toBe(row[0]);
  }
  expect(history.rows.length).toBeGreaterThanOrEqual(4);
  expect(Math.max(...history.rows.map(([, p99]) => p99!))).toBe(900);
  const times = history.rows.map(([time]) => time!);
  expect(times).toEqual(times.toSorted((a, b) => a - b));
});

it("continues from its state as if it had seen everything", () => {
  for (const joined of [1, 7, 8, 9, 13, 40]) {
    const whole = new History(COLUMNS, undefined, 8);
    for (const row of readings(joined)) whole.add(row);
    const late = new History(COLUMNS, JSON.parse(JSON.stringify(whole.state())), 8);
    for (const row of readings(100).slice(joined)) {
      whole.add(row);
      late.add(row);
    }
    expect(late.rows).toEqual(whole.rows);
  }
});

it("skips intervals without a latency", () => {
  const history = new History(COLUMNS, { rows: [[1, null]], stride: 4, covered: 1 }, 8);
  history.add([2, 30]);
  history.add([3, null]);
  expect(history.rows).toEqual([[3, 30]]);
});
