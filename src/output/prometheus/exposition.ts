// Writes metric families as text: OpenMetrics 1.0, or the older text format of Prometheus.
import type { Buckets, Family, Labels, Sample } from "./families.js";

export type Format = "openmetrics" | "text";

export const CONTENT_TYPES: Readonly<Record<Format, string>> = {
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
  text: "text/plain; version=0.0.4; charset=utf-8",
};

const UNIT = /_(seconds|bytes|ratio)$/;

/** Returns the text of all families that have samples. OpenMetrics ends with `# EOF`. */
export function exposition(families: readonly Family[], format: Format): string {
  const lines = families.flatMap((family) => linesOf(family, format));
  return [...lines, ...(format === "openmetrics" ? ["# EOF"] : []), ""].join("\n");
}

function linesOf({ name, type, help, samples }: Family, format: Format): string[] {
  const known = samples.filter((sample): sample is readonly [Labels, number | Buckets] => sample[1] !== undefined);
  if (known.length === 0) return [];
  const total = type === "counter" ? `${name}_total` : name;
  const [, unit] = UNIT.exec(name) ?? [];
  // In OpenMetrics, a counter's family is named without `_total`.
  const family = format === "openmetrics" ? name : total;
  return [
    `# TYPE ${family} ${type}`,
    ...(unit !== undefined && format === "openmetrics" ? [`# UNIT ${family} ${unit}`] : []),
    `# HELP ${family} ${escapeText(help)}`,
    ...known.flatMap((sample) => sampleLines(total, sample)),
  ];
}

function sampleLines(name: string, [labels, value]: readonly [Labels, number | Buckets]): string[] {
  if (typeof value === "number") return [`${name}${labelText(labels)} ${numberText(value)}`];
  const { upTo, count, sum } = value;
  return [
    ...[...upTo, [Number.POSITIVE_INFINITY, count] as const].map(
      ([bound, below]) => `${name}_bucket${labelText({ ...labels, le: numberText(bound) })} ${below}`,
    ),
    `${name}_sum${labelText(labels)} ${numberText(sum)}`,
    `${name}_count${labelText(labels)} ${count}`,
  ];
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escapeLabel(`${value}`)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function numberText(value: number): string {
  if (Number.isFinite(value) || Number.isNaN(value)) return `${value}`;
  return value > 0 ? "+Inf" : "-Inf";
}

/** Escapes backslash, quote and line feed as specified by OpenMetrics. */
export function escapeLabel(text: string): string {
  return escapeText(text).replaceAll('"', '\\"');
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

/** Returns one sample per row, with the row's value. */
export function samplesOf<Row>(
  rows: readonly Row[],
  labels: (row: Row) => Labels,
  value: (row: Row) => number | undefined,
): Sample[] {
  return rows.map((row) => [labels(row), value(row)]);
}
