// Parses and formats numbers with units: counts (10k), durations (30s), sizes (64KiB), rates (0.033). Parsers throw
// E_OPTION with the accepted forms. Formatters are pure functions.
import { AppError } from "./errors.js";
import { quoted } from "./printable.js";

const COUNT_FACTORS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };
const DURATION_MS: Record<string, number> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3 };
const SIZE_BYTES: Record<string, number> = {
  "": 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};
const NUMBER_WITH_UNIT = /^(\d+(?:\.\d+)?|\.\d+)\s*([a-z]*)$/i;

/**
 * Parses an integer count: `250`, `10k`, `1.5m` (k and m are 1,000 and 1,000,000).
 *
 * @throws {AppError} E_OPTION if the text is not an integer or is outside `min` to `max`
 */
export function parseCount(text: string, name = "count", min = 1, max = 2 ** 31 - 1): number {
  const value = withUnit(text, COUNT_FACTORS);
  const rounded = value === undefined ? undefined : Math.round(value);
  if (value === undefined || rounded === undefined || Math.abs(value - rounded) > 1e-6) {
    throw invalid(name, text, "a whole number such as 250, 10k or 1m");
  }
  if (rounded < min || rounded > max) {
    throw invalid(name, text, `a whole number from ${formatCount(min)} to ${formatCount(max)}`);
  }
  return rounded;
}

/**
 * Parses a rate per second, which may have a fraction: `0.033`, `500`, `10k`.
 *
 * @throws {AppError} E_OPTION if the text is not a number above zero
 */
export function parseRate(text: string, name = "rate"): number {
  const value = withUnit(text, COUNT_FACTORS);
  if (value === undefined) throw invalid(name, text, "a number per second such as 0.033, 500 or 10k");
  if (value <= 0 || value > 1e9) throw invalid(name, text, "a rate above 0 and at most 1,000,000,000 per second");
  return value;
}

/**
 * Parses a duration: `500ms`, `30s`, `5m`, `1m30s`, `1h`. A number without a unit is in seconds.
 *
 * @returns milliseconds
 * @throws {AppError} E_OPTION if the text is not a duration
 */
export function parseDuration(text: string, name = "duration"): number {
  const value = withUnit(text, { ...DURATION_MS, "": 1e3 }) ?? compound(text);
  if (value === undefined || value > 366 * 24 * 3600e3) {
    throw invalid(name, text, "a duration such as 500ms, 30s, 1m30s or 1h; a number alone is seconds");
  }
  return value;
}

/** Parses `1h 2m 3s`: each unit at most once, largest first. */
function compound(text: string): number | undefined {
  const match = /^(?:(\d+)h)?\s*(?:(\d+)m(?!s))?\s*(?:(\d+(?:\.\d+)?)s)?\s*(?:(\d+)ms)?$/i.exec(text.trim());
  if (!match || text.trim() === "") return undefined;
  const [hours = 0, minutes = 0, seconds = 0, millis = 0] = match.slice(1).map((part) => Number(part ?? 0));
  return hours * DURATION_MS.h! + minutes * DURATION_MS.m! + seconds * DURATION_MS.s! + millis;
}

/**
 * Parses a size: `512`, `64KiB` (1024) or `64KB` (1000).
 *
 * @returns bytes
 * @throws {AppError} E_OPTION if the text is not a size
 */
export function parseSize(text: string, name = "size"): number {
  const value = withUnit(text, SIZE_BYTES);
  if (value === undefined || !Number.isSafeInteger(Math.round(value))) {
    throw invalid(name, text, "a size such as 512, 64KiB or 2MB");
  }
  return Math.round(value);
}

/** Formats `1000000` as `1,000,000`. */
export function formatCount(value: number): string {
  // Avoid toLocaleString(): initializing ICU costs a process as much as an entire small run.
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Formats bytes in binary units with three significant digits: `6.78 KiB`. */
export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  // Use the next larger unit if the value would round to a whole one of it.
  while (Math.abs(value) >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(value) : threeDigits(value)} ${units[unit]}`;
}

/**
 * Formats milliseconds in a readable unit with three significant digits: `850 µs`, `12.3 ms`, `7.10 s`, `2m 05s`. Whole
 * seconds or milliseconds, such as option values, have no decimals: `30 s`.
 */
export function formatDuration(ms: number): string {
  // Use the next larger unit if the value would round to a whole one of it.
  if (ms < 0.9995) return `${Math.round(ms * 1000)} µs`;
  if (ms < 999.5) return `${Number.isInteger(ms) ? ms : threeDigits(ms)} ms`;
  if (ms < 59.95e3) return `${Number.isInteger(ms / 1000) ? ms / 1000 : threeDigits(ms / 1000)} s`;
  const seconds = Math.round(ms / 1000);
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0 ? `${hours}h ${String(minutes).padStart(2, "0")}m ${rest}s` : `${minutes}m ${rest}s`;
}

/** Formats an estimate in milliseconds, with two significant digits below a minute: `1.7 s`, `28 s`, `2m 05s`. */
export function formatEstimate(ms: number): string {
  if (ms < 1) return formatDuration(ms);
  if (ms >= 59.5e3) return formatDuration(Math.round(ms / 1000) * 1000);
  const isMs = ms < 995;
  return `${Number((isMs ? ms : ms / 1000).toPrecision(2))} ${isMs ? "ms" : "s"}`;
}

/** Formats a count with its noun: `1 connection`, `2 connections`. */
export function plural(count: number, singular: string, many = `${singular}s`): string {
  return `${formatCount(count)} ${count === 1 ? singular : many}`;
}

function threeDigits(value: number): string {
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return size >= 10 ? value.toFixed(1) : value.toFixed(2);
}

function withUnit(text: string, factors: Record<string, number>): number | undefined {
  const match = NUMBER_WITH_UNIT.exec(text.trim());
  const unit = match?.[2]?.toLowerCase() ?? "";
  return match && Object.hasOwn(factors, unit) ? Number(match[1]) * factors[unit]! : undefined;
}

function invalid(name: string, text: string, wanted: string): AppError {
  return new AppError("E_OPTION", `${name} ${quoted(text)} is not valid`, { fix: `use ${wanted}` });
}

/** Formats a rate per second: `4.7`, `28,232`. */
export function formatRate(perSec: number): string {
  return perSec < 10 ? `${Math.round(perSec * 10) / 10}` : formatCount(Math.round(perSec));
}
