// The straight line through measured points, by least squares, and how sure its slope is.

export interface Line {
  readonly slope: number;
  readonly intercept: number;
  /** Standard error of the slope; 0 for two points, through which a line always goes. */
  readonly slopeError: number;
  /** Share of the variance that the line explains, 0 to 1. */
  readonly r2: number;
}

type Points = readonly (readonly [x: number, y: number])[];

/** @returns undefined for fewer than two points, or when all have the same x */
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

/** How far the points lie from the line, on the (quadratic) average. */
export function distanceFrom({ slope, intercept }: Line, points: Points): number {
  return Math.sqrt(mean(points.map(([x, y]) => (y - intercept - slope * x) ** 2)));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}
