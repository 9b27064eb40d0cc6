// What workers count and time: each metric is declared once, with its name, type and help, and everything else follows from that: its
// place in shared memory, its field of a snapshot, its fields of the result, its name for Prometheus.
import { Histogram } from "../results/histogram/histogram.js";
import type { MemoryLayout, WorkerMemory } from "./worker-memory.js";

/** How the workers' values make the run's; `least` leaves out 0, which stands for none. */
export type Combination = "sum" | "max" | "least";

/**
 * A metric as a role declares it, under a name in camel case that ends with its unit: `Ms`, `Us` or `Bytes`, or nothing for a plain
 * count. A counter never decreases; a gauge may; a histogram is of latencies in microseconds.
 */
export interface MetricDefinition {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  /** `sum` when missing. */
  readonly combined?: Combination;
  /**
   * Where its last value stands in the result, such as `traffic.sentBytes`; `internal` for bookkeeping between a worker and the main
   * thread, which nobody else sees; `moment` for what a snapshot has and a result has not.
   */
  readonly shown: readonly string[] | "internal" | "moment";
}

export type MetricDefinitions = Readonly<Record<string, MetricDefinition>>;

/** A role's metrics. */
export interface Metrics<D extends MetricDefinitions> {
  /** What their names begin with for Prometheus: `fourtuple_connect`. */
  readonly prefix: string;
  readonly definitions: D;
  /** Each counter's and gauge's place in a worker's counters. */
  readonly index: { readonly [Name in keyof D as D[Name]["type"] extends "histogram" ? never : Name]: number };
  /** Each histogram's place among a worker's histograms. */
  readonly histograms: { readonly [Name in keyof D as D[Name]["type"] extends "histogram" ? Name : never]: number };
  /** The room that they take in a worker's memory. */
  readonly layout: MemoryLayout;
  /** Names of the counters and gauges that are shown. */
  readonly shown: readonly string[];
}

/** The counters and gauges that are shown, by name. */
export type MetricValues<D extends MetricDefinitions> = {
  readonly [Name in keyof D as D[Name] extends { shown: "internal" } | { type: "histogram" } ? never : Name]: number;
};

/** The metrics of one section of the result, such as `traffic`, by the section's own names; of "", those outside of any. */
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

/** What all workers have counted until now: every counter and gauge but the internal ones. */
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

/** What all workers have timed until now. @param place one of a role's histograms */
export function readHistogram(memories: readonly WorkerMemory[], place: number): Histogram {
  const sum = new Histogram();
  for (const { histograms } of memories) sum.add(histograms[place]!);
  return sum;
}

/** What a result's section has of the metrics. @param section such as `traffic`, or "" for the result itself */
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

/** The fields of the result that hold a metric. */
export function pathsOf({ shown }: MetricDefinition): readonly string[] {
  return typeof shown === "string" ? [] : shown;
}

function combine(values: readonly number[], combined: Combination = "sum"): number {
  if (combined === "sum") return values.reduce((sum, value) => sum + value, 0);
  if (combined === "max") return Math.max(0, ...values);
  const some = values.filter((value) => value > 0);
  return some.length === 0 ? 0 : Math.min(...some);
}
