// Fits a straight line to measured points by least squares and estimates the error of its slope.
import { sum } from "../../util/share.js";

export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Standard error of the slope; 0 for two points, which always fit exactly. */
  readonly slopeError: number;
  /** Share of the variance explained by the line, from 0 to 1. */
  readonly r2: number;
}

type Points = readonly (readonly [x: number, y: number])[];

/** @returns undefined for fewer than two points, or if all have the same x */
export function fitLine(points: Points): Line | undefined {
  if (new Set(points.map(([x]) => x)).size < 2) return undefined;
  const n = points.length;
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const sxx = sum(points.map(([x]) => (x - meanX) ** 2));
  const sxy = sum(points.map(([x, y]) => (x - meanX) * (y - meanY)));
  const syy = sum(points.map(([, y]) => (y - meanY) ** 2));
  const slope = sxy / sxx;
  const intercept = meanY - slope * meanX;
  const residual = sum(points.map(([x, y]) => (y - intercept - slope * x) ** 2));
  return {
    slope,
    intercept,
    slopeError: n > 2 ? Math.sqrt(residual / (n - 2) / sxx) : 0,
    r2: syy === 0 ? 1 : 1 - residual / syy,
  };
}

/** Returns the root mean square distance of the points from the line. */
export function distanceFrom({ slope, intercept }: Line, points: Points): number {
  return Math.sqrt(mean(points.map(([x, y]) => (y - intercept - slope * x) ** 2)));
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
