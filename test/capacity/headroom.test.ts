// Tests the headroom of the limits during a run, and the prediction of the one that is reached first.
import { expect, it } from "vitest";
import { Headroom, HeadroomForecast, type Usage } from "../../src/capacity/limits/headroom.js";

const use = (id: string, used: number, limit: number): Usage => ({ id, name: id, unit: "entries", used, limit });

it("reads limits with finite values, each once", () => {
  const { usages: uses } = new Headroom().take(0, [use("own", 1, 2)]);
  expect(uses.map(({ id }) => id)).toEqual(expect.arrayContaining(["own", "memory", "file-max"]));
  expect(new Set(uses.map(({ id }) => id)).size).toBe(uses.length);
  for (const { used, limit } of uses) {
    expect(used).toBeGreaterThanOrEqual(0);
    expect(Number.isFinite(limit)).toBe(true);
  }
});

it("names the limit that is reached first if connections go on taking as much", () => {
  const forecast = new HeadroomForecast();
  expect(forecast.take(0, [use("tuples", 0, 64_000), use("memory", 1000, 100_000)])).toBeUndefined();
  // Each connection takes one tuple and two units of memory.
  const binding = forecast.take(10_000, [use("tuples", 10_000, 64_000), use("memory", 21_000, 100_000)]);
  expect(binding).toEqual({ name: "memory", connections: 49_500 });
});

it("keeps its prediction while connections close, and makes none from a few", () => {
  const forecast = new HeadroomForecast();
  forecast.take(0, [use("tuples", 0, 1000)]);
  expect(forecast.take(100, [use("tuples", 100, 1000)])).toBeUndefined();
  const binding = forecast.take(600, [use("tuples", 600, 1000)]);
  expect(binding).toEqual({ name: "tuples", connections: 1000 });
  // What they used is freed later, so each of the others would seem to use more.
  expect(forecast.take(550, [use("tuples", 600, 1000), use("memory", 1, 10)])).toEqual(binding);
  expect(forecast.take(0, [use("tuples", 0, 1000)])).toEqual(binding);
});

it("ignores limits that connections do not use", () => {
  const forecast = new HeadroomForecast();
  forecast.take(0, [use("orphans", 5, 10)]);
  expect(forecast.take(5000, [use("orphans", 5, 10)])).toBeUndefined();
});
