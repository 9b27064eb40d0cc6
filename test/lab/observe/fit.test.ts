import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { distanceFrom, fitLine } from "../../../src/lab/observe/fit.js";

describe("the line through points", () => {
  it("is exact if they lie on one", () => {
    const fit = fitLine([1, 2, 5, 9].map((x) => [x, 3 * x + 7] as const))!;
    expect(fit.slope).toBeCloseTo(3);
    expect(fit.intercept).toBeCloseTo(7);
    expect(fit.slopeError).toBeCloseTo(0);
    expect(fit.r2).toBeCloseTo(1);
  });

  it("has the slope, error and r² of a textbook example", () => {
    // First data set of Anscombe's quartet: y = 3.00 + 0.500 x, standard error 0.118, r² 0.667.
    const xs = [10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5];
    const ys = [8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68];
    const { slope, intercept, slopeError, r2 } = fitLine(xs.map((x, i) => [x, ys[i]!] as const))!;
    expect(slope).toBeCloseTo(0.5, 3);
    expect(intercept).toBeCloseTo(3, 3);
    expect(slopeError).toBeCloseTo(0.118, 3);
    expect(r2).toBeCloseTo(0.667, 3);
  });

  it("does not exist for fewer than two points, or for points with the same x", () => {
    expect(fitLine([])).toBeUndefined();
    expect(fitLine([[5, 1]])).toBeUndefined();
    expect(fitLine([1, 2, 3].map((y) => [5, y] as const))).toBeUndefined();
  });

  it("has a distance from the points, or none if they lie on it", () => {
    const line = { slope: 2, intercept: 1, slopeError: 0, r2: 1 };
    const at = (up: number) => [0, 1, 2, 3].map((x) => [x, 2 * x + 1 + (x % 2 === 0 ? up : -up)] as const);
    expect(distanceFrom(line, at(0))).toBe(0);
    expect(distanceFrom(line, at(3))).toBe(3);
  });

  it("moves with the points", () => {
    const point = fc.tuple(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: -1000, max: 1000 }));
    fc.assert(
      fc.property(
        fc.uniqueArray(point, { minLength: 2, maxLength: 20, selector: ([x]) => x }),
        fc.nat(1000),
        (points, up) => {
          const { slope, intercept } = fitLine(points)!;
          const moved = fitLine(points.map(([x, y]) => [x, y + up] as const))!;
          expect(moved.slope).toBeCloseTo(slope, 6);
          expect(moved.intercept).toBeCloseTo(intercept + up, 4);
        },
      ),
    );
  });
});
