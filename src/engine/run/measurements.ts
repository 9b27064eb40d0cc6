// What a run has counted and timed so far beyond its snapshot: failures by cause, histograms, and the metrics of a
// user-defined protocol.
import type { Histogram } from "../../results/histogram/histogram.js";
import { collectFailures, failureName } from "../failures.js";
import { type MetricDefinitions, type Metrics, readHistogram } from "../metrics.js";
import type { ScriptMeasurements, ScriptRun } from "../script/run.js";
import type { WorkerMemory } from "../worker-memory.js";

export interface RunMeasurements {
  /** Failures by step of a connection's life and cause, such as `connect` and `ECONNREFUSED`. */
  readonly failures: readonly { readonly phase: string; readonly cause: string; readonly count: number }[];
  /** Histograms by name in the role's metrics, in microseconds. */
  readonly histograms: Readonly<Record<string, Histogram>>;
  /** What a user-defined protocol measured; undefined for other protocols. */
  readonly script: ScriptMeasurements | undefined;
}

export function readMeasurements<D extends MetricDefinitions>(
  { histograms }: Metrics<D>,
  memories: readonly WorkerMemory[],
  script: ScriptRun | undefined,
): RunMeasurements {
  const places = Object.entries<number>(histograms);
  return {
    failures: collectFailures(memories).map(({ phase, errno, count }) => ({
      phase,
      cause: failureName(phase, errno),
      count,
    })),
    histograms: Object.fromEntries(places.map(([name, place]) => [name, readHistogram(memories, place)])),
    script: script?.measurements(memories),
  };
}
