// Metric declarations. Each metric is declared once, with its name, type and help text. The metric's index in shared
// memory, its fields in snapshots and results, and its Prometheus name are derived from the declaration.
import { Histogram } from "../results/histogram/histogram.js";
import type { MemoryLayout, WorkerMemory } from "./worker-memory.js";

/** How to combine the values of several workers. `least` ignores 0, which stands for a missing value. */
export type Combination = "sum" | "max" | "least";

/**
 * A role's declaration of a metric. The name is in camel case and ends with its unit (`Ms`, `Us` or `Bytes`), unless it
 * is a plain count. Counters never decrease, gauges may, and histograms hold latencies in microseconds.
 */
export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** How to combine the values of several workers; the default is `sum`. */
  readonly combined?: Combination;
  /**
   * Paths of the final value in the result, such as `traffic.sentBytes`. `internal` metrics pass only between a worker
   * and the main thread; `moment` metrics appear in snapshots but not in results.
   */
  readonly shown: readonly string[] | "internal" | "moment";
}

export type MetricDefinitions = Readonly<Record<string, MetricDefinition>>;

/** A role's metrics. */
export interface Metrics<D extends MetricDefinitions> {
  /** Prefix of the metrics' Prometheus names, such as `fourtuple_connect`. */
  readonly prefix: string;
  readonly definitions: D;
  /** Index of each counter and gauge in a worker's counters. */
  readonly index: { readonly [Name in keyof D as D[Name]["type"] extends "histogram" ? never : Name]: number };
  /** Index of each histogram among a worker's histograms. */
  readonly histograms: { readonly [Name in keyof D as D[Name]["type"] extends "histogram" ? Name : never]: number };
  /** Space that the metrics need in a worker's memory. */
  readonly layout: MemoryLayout;
  /** Names of the visible counters and gauges. */
  readonly shown: readonly string[];
}

/** Values of the visible counters and gauges, by name. */
export type MetricValues<D extends MetricDefinitions> = {
  readonly [Name in keyof D as D[Name] extends { shown: "internal" } | { type: "histogram" } ? never : Name]: number;
};

/**
 * Metrics of one section of the result, such as `traffic`, by field name. Section "" is for metrics outside any
 * section.
 */
export type SectionValues<D extends MetricDefinitions, Section extends string> = {
  readonly [Name in keyof MetricValues<D> as FieldOf<D[Name & keyof D]["shown"], Section>]: number;
};

type FieldOf<Shown, Section extends string> = Shown extends readonly (infer Path extends string)[]
  ? FieldAt<Path, Section>
  : never;
type FieldAt<Path extends string, Section extends string> = Path extends `${infer Within}.${infer Field}`
  ? Within extends Section
    ? Field
    : never
  : Section extends ""
    ? Path
    : never;

export function defineMetrics<const D extends MetricDefinitions>(prefix: string, definitions: D): Metrics<D> {
  const names = Object.keys(definitions);
  const timed = names.filter((name) => definitions[name]!.type === "histogram");
  const counted = names.filter((name) => definitions[name]!.type !== "histogram");
  return {
    prefix,
    definitions,
    index: placesOf(counted) as Metrics<D>["index"],
    histograms: placesOf(timed) as Metrics<D>["histograms"],
    layout: { counters: counted.length, histograms: timed.length },
    shown: counted.filter((name) => definitions[name]!.shown !== "internal"),
  };
}

function placesOf(names: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(names.map((name, place) => [name, place]));
}

/** Returns the current values, over all workers, of all counters and gauges except internal ones. */
export function readMetrics<D extends MetricDefinitions>(
  { definitions, index, shown }: Metrics<D>,
  memories: readonly WorkerMemory[],
): MetricValues<D> {
  const places: Readonly<Record<string, number>> = index;
  return Object.fromEntries(
    shown.map((name) => {
      const values = memories.map(({ counters }) => counters[places[name]!]!);
      return [name, combine(values, definitions[name]!.combined)];
    }),
  ) as MetricValues<D>;
}

/**
 * Returns the current histogram over all workers.
 * @param place index of one of the role's histograms
 */
export function readHistogram(memories: readonly WorkerMemory[], place: number): Histogram {
  const sum = new Histogram();
  for (const { histograms } of memories) sum.add(histograms[place]!);
  return sum;
}

/**
 * Returns the metric fields of a section of the result.
 * @param section such as `traffic`, or "" for the top level
 */
export function sectionOf<D extends MetricDefinitions, Section extends string>(
  { definitions }: Metrics<D>,
  values: MetricValues<D>,
  section: Section,
): SectionValues<D, Section> {
  const fields = Object.entries<number>(values).flatMap(([name, value]) =>
    pathsOf(definitions[name]!)
      .map(
        (path) => [path.slice(0, Math.max(0, path.lastIndexOf("."))), path.slice(path.lastIndexOf(".") + 1)] as const,
      )
      .filter(([within]) => within === section)
      .map(([, field]) => [field, value]),
  );
  return Object.fromEntries(fields);
}

/** Returns the paths in the result that contain a metric. */
export function pathsOf({ shown }: MetricDefinition): readonly string[] {
  return typeof shown === "string" ? [] : shown;
}

function combine(values: readonly number[], combined: Combination = "sum"): number {
  if (combined === "sum") return values.reduce((sum, value) => sum + value, 0);
  if (combined === "max") return Math.max(0, ...values);
  const some = values.filter((value) => value > 0);
  return some.length === 0 ? 0 : Math.min(...some);
}
