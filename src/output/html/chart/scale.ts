// Chooses units and ticks of axes, such as MiB for large numbers of bytes, or powers of ten on a log axis.
import { formatBytes, formatDuration } from "../../../util/units.js";

export interface Axis {
  readonly name: string;
  readonly unit: string;
}

export interface ScaledAxis {
  /** Divisor of the values on this axis. */
  readonly divisor: number;
  readonly label: string;
}

/** Returns the maximum of any number of values; Math.max(...values) is limited by the stack. */
export function greatestOf(values: readonly number[]): number {
  return values.reduce((greatest, value) => Math.max(greatest, value), Number.NEGATIVE_INFINITY);
}

export function leastOf(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
}

/** Bounds on the values that an axis can show. The figures next to the chart give any values beyond the bounds. */
const LARGEST = 1e15;
const SMALLEST = 1e-9;

/** Clamps a value to what an axis can show. */
export function drawable(value: number): number {
  if (Number.isNaN(value) || Math.abs(value) < SMALLEST) return 0;
  return Math.max(-LARGEST, Math.min(value, LARGEST));
}

/** Clamps a point to what both axes can show. */
export function drawablePoint([x, y]: readonly [number, number]): [number, number] {
  return [drawable(x), drawable(y)];
}

type Step = readonly [from: number, unit: string];

/** Larger units for each unit. An axis uses the first one that its maximum reaches. */
const LARGER: Readonly<Record<string, readonly Step[]>> = {
  bytes: [
    [1024 ** 3, "GiB"],
    [1024 ** 2, "MiB"],
    [1024, "KiB"],
  ],
  KiB: [
    [1024 ** 2, "GiB"],
    [1024, "MiB"],
  ],
  ms: [[1000, "s"]],
  µs: [
    [1e6, "s"],
    [1e3, "ms"],
  ],
};

/** @param greatest maximum on the axis, in its unit */
export function scaleAxis({ name, unit }: Axis, greatest: number): ScaledAxis {
  const steps = LARGER[unit === "B" ? "bytes" : unit] ?? [];
  const [divisor, larger] = steps.find(([from]) => greatest >= from * 2) ?? [1, unit];
  return { divisor, label: larger === "" || larger === name ? name : `${name} (${larger})` };
}

/**
 * Formats a value and its unit with three digits, such as `4.11 KiB` or `0.495 µs`. The unit is chosen to fit the size
 * of the value.
 */
export function formatWithUnit(value: number, unit: string): string {
  if (unit === "bytes" || unit === "B") return formatBytes(value);
  if (unit === "KiB") return formatBytes(value * 1024);
  if (unit === "ms" && Math.abs(value) < 1) return formatWithUnit(value * 1000, "µs");
  if (unit === "ms" && value >= 1000) return formatDuration(value);
  const figure = value.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return unit === "" ? figure : `${figure} ${unit}`;
}

/** Returns the singular of a unit, such as `connection` for `connections`. Other words are unchanged. */
export function singular(unit: string): string {
  return unit.length > 3 && unit.endsWith("s") ? unit.slice(0, -1) : unit;
}

/** Returns the range of whole powers of ten that covers the values; at least one decade. */
export function logDomain(values: readonly number[]): [from: number, to: number] {
  const above = values.map(drawable).filter((value) => value > 0);
  const from = 10 ** Math.floor(Math.log10(Math.min(...above, Number.MAX_VALUE)));
  const to = 10 ** Math.ceil(Math.log10(Math.max(...above, 1)));
  return above.length === 0 ? [1, 10] : [from, Math.max(to, from * 10)];
}

/** @param domain bounds that are whole powers of ten */
export function powersOfTen([from, to]: readonly [number, number]): number[] {
  const first = Math.round(Math.log10(from));
  return Array.from({ length: Math.round(Math.log10(to)) - first + 1 }, (_, index) => 10 ** (first + index));
}

/** Returns the powers of ten in the domain, plus multiples of 2 and 5 if there are only a few. */
export function logTicks(domain: readonly [number, number]): number[] {
  const powers = powersOfTen(domain);
  if (powers.length > 4) return powers;
  return powers.flatMap((power) => [power, 2 * power, 5 * power]).filter((tick) => tick <= domain[1]);
}

/** Formats a power of ten with an SI prefix, such as `1k` or `10M`. */
export function formatPowerOfTen(value: number): string {
  const thousands = Math.floor(Math.round(Math.log10(value)) / 3);
  const prefix = ["", "k", "M", "G", "T", "P"][thousands];
  return prefix === undefined ? String(value) : `${Math.round(value / 1000 ** thousands)}${prefix}`;
}
