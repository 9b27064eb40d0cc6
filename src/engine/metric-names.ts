// Prometheus names and units of metrics: snake case, base units, and `_total` for counters.
import type { MetricDefinition, MetricDefinitions, Metrics } from "./metrics.js";

/** Metadata exported with a metric. */
export interface MetricFamily {
  /** Name of the metric, such as `fourtuple_connect_sent_bytes_total`. */
  readonly name: string;
  readonly type: MetricDefinition["type"];
  readonly help: string;
  /** Base unit; undefined for a plain count. */
  readonly unit: "seconds" | "bytes" | undefined;
  /** Divisor that converts a value to the base unit. */
  readonly divisor: number;
}

const UNITS = {
  Ms: { unit: "seconds", divisor: 1e3 },
  Us: { unit: "seconds", divisor: 1e6 },
  Bytes: { unit: "bytes", divisor: 1 },
} as const;

const SUFFIX = /(Ms|Us|Bytes)$/;

/**
 * Returns a metric's Prometheus metadata.
 * @param name the metric's declared name
 */
export function familyOf(prefix: string, name: string, { type, help }: MetricDefinition): MetricFamily {
  const suffix = SUFFIX.exec(name)?.[1] as keyof typeof UNITS | undefined;
  const { unit, divisor } = suffix ? UNITS[suffix] : { unit: undefined, divisor: 1 };
  const stem = name.replace(SUFFIX, "").replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const parts = [prefix, stem, unit, type === "counter" ? "total" : undefined];
  return { name: parts.filter((part) => part !== undefined).join("_"), type, help, unit, divisor };
}

/** Returns the metadata of a role's visible metrics, by name in a snapshot. */
export function familiesOf<D extends MetricDefinitions>({
  prefix,
  definitions,
}: Metrics<D>): Map<string, MetricFamily> {
  const shown = Object.entries(definitions).filter(([, metric]) => metric.shown !== "internal");
  return new Map(shown.map(([name, metric]) => [name, familyOf(prefix, name, metric)]));
}
