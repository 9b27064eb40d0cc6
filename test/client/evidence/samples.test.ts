// Tests that the number of a run's samples stays small however long it lasts, and that they preserve the shape of the
// curve.
import { describe, expect, it } from "vitest";
import { Samples } from "../../../src/client/evidence/samples.js";

const at = (elapsedMs: number) => ({ elapsedMs, open: elapsedMs * 2, established: elapsedMs * 3, failed: 0 });

describe("samples", () => {
  it("are all kept while there is room", () => {
    const samples = new Samples(10, 50);
    for (let ms = 0; ms < 500; ms += 50) samples.add(at(ms));
    expect(samples.list()).toEqual(Array.from({ length: 10 }, (_, index) => at(index * 50)));
  });

  it("of a day are limited in number, span the whole day, and are evenly spaced", () => {
    const samples = new Samples(600, 50);
    const day = 24 * 3600e3;
    for (let ms = 0; ms < day; ms += 250) samples.add(at(ms));
    samples.mark(at(day));
    const kept = samples.list();
    expect(kept.length).toBeGreaterThan(300);
    expect(kept.length).toBeLessThanOrEqual(600);
    expect([kept[0], kept.at(-1)]).toEqual([at(0), at(day)]);
    const steps = kept.slice(1, -1).map((sample, index) => sample.elapsedMs - kept[index]!.elapsedMs);
    expect(new Set(steps).size).toBe(1);
  });

  it("that a timer takes slightly early are kept, and those in between are not", () => {
    const samples = new Samples(10, 50);
    for (const ms of [0, 20, 48, 60, 101]) samples.add(at(ms));
    expect(samples.list().map(({ elapsedMs }) => elapsedMs)).toEqual([0, 48, 101]);
  });

  it("at marked moments are kept unconditionally", () => {
    const samples = new Samples(10, 50);
    for (const ms of [0, 1, 2]) samples.mark(at(ms));
    expect(samples.list().map(({ elapsedMs }) => elapsedMs)).toEqual([0, 1, 2]);
  });
});
