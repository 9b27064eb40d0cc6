// From values to places on an axis: linear and by powers of ten, with the ticks that the axis has.

export interface Tick {
  /** Where it is, in the chart's own units. */
  readonly at: number;
  readonly text: string;
}

export interface Projection {
  /** Where a value is, in the chart's own units. */
  readonly at: (value: number) => number;
  readonly ticks: readonly Tick[];
}

/** Where an axis begins and ends, in the chart's own units: upwards the end has the smaller number. */
export type Range = readonly [from: number, to: number];

export interface LinearOptions {
  /** About how many steps between ticks. */
  readonly steps: number;
  /** The axis ends at ticks. */
  readonly isNice: boolean;
}

/**
 * An axis on which equal differences are equally long.
 *
 * @param domain the least and the greatest value; where they are one, it stands in the middle
 */
export function linear(domain: readonly [number, number], range: Range, options: LinearOptions): Projection {
  const largest = Math.max(Math.abs(domain[0]), Math.abs(domain[1]));
  // Ticks that differ in their tenth digit could be told apart neither by a reader nor, later, by a double.
  const step = stepOf(Math.max(domain[1] - domain[0], largest * 1e-9), options.steps);
  const first = options.isNice ? Math.floor(domain[0] / step.size + HAIR) : Math.ceil(domain[0] / step.size - HAIR);
  const last = options.isNice ? Math.ceil(domain[1] / step.size - HAIR) : Math.floor(domain[1] / step.size + HAIR);
  const [from, to] = options.isNice ? [step.times(first), step.times(last)] : domain;
  const at = between(from, to, range);
  const values = Array.from({ length: last - first + 1 }, (_, index) => step.times(first + index));
  return { at, ticks: values.map((value) => ({ at: at(value), text: step.format(value) })) };
}

/**
 * An axis on which equal ratios are equally long.
 *
 * @param domain above 0
 * @param ticks values that have one
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

/** Of a step: what a quotient may be off by rounding. */
const HAIR = 1e-9;
/** The geometric means of 1, 2, 5 and 10: from which a step is rounded up. */
const [UP_TO_2, UP_TO_5, UP_TO_10] = [Math.sqrt(2), Math.sqrt(10), Math.sqrt(50)] as const;

/** 1, 2 or 5 times a power of ten, of which about `count` make the span. */
function stepOf(span: number, count: number) {
  const wanted = span > 0 ? span / count : 1;
  const power = Math.floor(Math.log10(wanted));
  const rest = wanted / 10 ** power;
  const factor = rest >= UP_TO_10 ? 10 : rest >= UP_TO_5 ? 5 : rest >= UP_TO_2 ? 2 : 1;
  // Multiplied or divided by a whole number: 3 × 0.1 is not 0.3.
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
