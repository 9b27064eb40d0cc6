// Projects values to positions on a linear or log axis, and computes the ticks.

export interface Tick {
  /** Position in the chart's units. */
  readonly at: number;
  readonly text: string;
}

export interface Projection {
  /** Returns the position of a value in the chart's units. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

/** Start and end of an axis in the chart's units. On a vertical axis, the end is the smaller number. */
export type Range = readonly [from: number, to: number];

export interface LinearOptions {
  /** Approximate number of steps between ticks. */
  readonly steps: number;
  /** True if the axis starts and ends at ticks. */
  readonly isNice: boolean;
}

/**
 * Returns an axis on which equal differences have equal lengths.
 *
 * @param domain minimum and maximum; if they are equal, the value is in the middle
 */
export function linear(domain: readonly [number, number], range: Range, options: LinearOptions): Projection {
  const largest = Math.max(Math.abs(domain[0]), Math.abs(domain[1]));
  // Ticks that differ only in the tenth digit would be indistinguishable, both to a reader and in floating point.
  const step = stepOf(Math.max(domain[1] - domain[0], largest * 1e-9), options.steps);
  const first = options.isNice ? Math.floor(domain[0] / step.size + HAIR) : Math.ceil(domain[0] / step.size - HAIR);
  const last = options.isNice ? Math.ceil(domain[1] / step.size - HAIR) : Math.floor(domain[1] / step.size + HAIR);
  const [from, to] = options.isNice ? [step.times(first), step.times(last)] : domain;
  const at = between(from, to, range);
  const values = Array.from({ length: last - first + 1 }, (_, index) => step.times(first + index));
  return { at, ticks: values.map((value) => ({ at: at(value), text: step.format(value) })) };
}

/**
 * Returns an axis on which equal ratios have equal lengths.
 *
 * @param domain minimum and maximum, both above 0
 * @param ticks values that get a tick
 */
export function logarithmic(
  domain: readonly [number, number],
  range: Range,
  ticks: readonly number[],
  format: (value: number) => string,
): Projection {
  const place = between(Math.log10(domain[0]), Math.log10(domain[1]), range);
  const at = (value: number) => place(Math.log10(value));
  return { at, ticks: ticks.map((value) => ({ at: at(value), text: format(value) })) };
}

/** Tolerance for rounding errors of a quotient, relative to a step. */
const HAIR = 1e-9;
/** Geometric means of 1, 2, 5 and 10, from which a step is rounded up. */
const [UP_TO_2, UP_TO_5, UP_TO_10] = [Math.sqrt(2), Math.sqrt(10), Math.sqrt(50)] as const;

/** Returns a step of 1, 2 or 5 times a power of ten that divides the span into about `count` parts. */
function stepOf(span: number, count: number) {
  const wanted = span > 0 ? span / count : 1;
  const power = Math.floor(Math.log10(wanted));
  const rest = wanted / 10 ** power;
  const factor = rest >= UP_TO_10 ? 10 : rest >= UP_TO_5 ? 5 : rest >= UP_TO_2 ? 2 : 1;
  // Multiply or divide by an integer, because 3 × 0.1 is not 0.3 in floating point.
  const times = (index: number) => (power < 0 ? (index * factor) / 10 ** -power : index * factor * 10 ** power);
  const digits = Math.max(0, -power - (factor === 10 ? 1 : 0));
  const format = (value: number) =>
    value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return { size: times(1), times, format };
}

function between(from: number, to: number, [start, end]: Range): (value: number) => number {
  if (from === to) return () => (start + end) / 2;
  return (value) => start + ((value - from) / (to - from)) * (end - start);
}
