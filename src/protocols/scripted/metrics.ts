// Assigns the phases and metrics of a definition their places in a worker's memory. The main thread and the workers
// derive the same places from the same spec.
import type { Histogram } from "../../results/histogram/histogram.js";
import type { MetricSpec, ScriptedSpec } from "../spec/spec.js";
import type { CounterMetric, HistogramMetric, MetricDeclaration } from "./define.js";
import { refusingUnknown } from "./unknown-names.js";

/** Phases and metrics of a script. */
export type Measured = Pick<ScriptedSpec, "phases" | "metrics">;

/** Number of handler calls that threw; always the first counter. */
export const ERRORS = 0;
/** Place of the first phase among the counters. */
const FIRST_PHASE = 1;

export function metricSpecs(metrics: Readonly<Record<string, MetricDeclaration>>): MetricSpec[] {
  return Object.entries(metrics).map(([name, declared]) =>
    typeof declared === "string"
      ? { name, type: declared }
      : { name, type: declared.type, ...(declared.help !== undefined && { help: declared.help }) },
  );
}

/**
 * Returns how many counters and histograms are needed. A phase takes one of each: a counter of how often it was
 * entered, and a histogram of durations.
 */
export function layoutOf({ phases, metrics }: Measured): { readonly counters: number; readonly histograms: number } {
  const histograms = metrics.filter(({ type }) => type === "histogram").length;
  const counters = FIRST_PHASE + phases.length + metrics.length - histograms;
  return { counters, histograms: phases.length + histograms };
}

/** Returns the place of a phase's counter. The place of the phase's histogram is the number of the phase. */
export function phasePlace(phase: number): number {
  return FIRST_PHASE + phase;
}

/** Returns the place of each metric among the counters or the histograms. */
export function placesOf({ phases, metrics }: Measured): { readonly metric: MetricSpec; readonly place: number }[] {
  const next = { counter: FIRST_PHASE + phases.length, histogram: phases.length };
  return metrics.map((metric) => ({ metric, place: next[metric.type]++ }));
}

/** Returns the objects that handlers use, by name. */
export function metricObjects(
  measured: Measured,
  counters: Float64Array,
  histograms: readonly Histogram[],
): Readonly<Record<string, CounterMetric | HistogramMetric>> {
  const objects = placesOf(measured).map(({ metric: { name, type }, place }) => [
    name,
    type === "counter" ? new Counter(name, counters, place) : new Durations(name, histograms[place]!),
  ]);
  const names = measured.metrics.map(({ name }) => name).join(", ");
  const known = names === "" ? "no metrics are declared" : `the metrics are ${names}`;
  const unknown = refusingUnknown((name) => `unknown metric: ${name} (${known})`);
  return Object.freeze(Object.setPrototypeOf(Object.fromEntries(objects), unknown));
}

class Counter implements CounterMetric {
  private readonly name: string;
  private readonly counters: Float64Array;
  private readonly place: number;

  constructor(name: string, counters: Float64Array, place: number) {
    this.name = name;
    this.counters = counters;
    this.place = place;
  }

  add(count = 1): void {
    if (!(Number.isFinite(count) && count >= 0)) {
      throw new RangeError(`metrics.${this.name}.add(${count}): use a number of 0 or more`);
    }
    this.counters[this.place]! += count;
  }
}

class Durations implements HistogramMetric {
  private readonly name: string;
  private readonly histogram: Histogram;

  constructor(name: string, histogram: Histogram) {
    this.name = name;
    this.histogram = histogram;
  }

  record(ms: number): void {
    if (!(Number.isFinite(ms) && ms >= 0)) {
      throw new RangeError(`metrics.${this.name}.record(${ms}): use a number of 0 or more`);
    }
    this.histogram.record(ms * 1000);
  }
}
