// Manages a script from the main thread: the state shared by its workers, and its part of the result.
import { basename } from "node:path";
import { Board } from "../../protocols/scripted/board.js";
import { placeInStack } from "../../protocols/scripted/file/load-failure.js";
import { indexRows, type RowIndex } from "../../protocols/scripted/file/row-index.js";
import { ERRORS, layoutOf, phasePlace, placesOf } from "../../protocols/scripted/metrics.js";
import type { MetricSpec, ProtocolSpec, ScriptedSpec } from "../../protocols/spec/spec.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { summarizeLatency } from "../../results/histogram/summarize.js";
import type { ScriptResult } from "../../results/script.js";
import { AppError } from "../../util/errors.js";
import { formatCount } from "../../util/units.js";
import { readHistogram } from "../metrics.js";
import { type MemoryLayout, sumCounter, type WorkerMemory } from "../worker-memory.js";

/** State shared by all workers of a script. */
export interface ScriptPlan {
  readonly board: SharedArrayBuffer;
  /** The data file's rows; undefined without a data file. */
  readonly rows: RowIndex | undefined;
}

/** Values of a script's phases and metrics. Histograms are in microseconds. */
export interface ScriptMeasurements {
  readonly phases: readonly { readonly name: string; readonly entered: number; readonly durations: Histogram }[];
  readonly metrics: readonly (MetricSpec & { readonly value: number | Histogram })[];
  /** Number of calls of the script's handlers that threw. */
  readonly errors: number;
}

export class ScriptRun {
  readonly spec: ScriptedSpec;
  readonly plan: ScriptPlan;
  /** Layout of a worker's memory: the role's metrics, then those of the script. */
  readonly layout: MemoryLayout;
  private readonly board = new Board();
  private readonly roleLayout: MemoryLayout;

  /**
   * @param connections highest number of a connection that is open at first, if known
   * @throws {AppError} E_OPTION if the data file cannot be read or has too few rows
   */
  constructor(spec: ScriptedSpec, roleLayout: MemoryLayout, connections = 0) {
    const own = layoutOf(spec);
    this.spec = spec;
    this.roleLayout = roleLayout;
    this.layout = {
      counters: roleLayout.counters + own.counters,
      histograms: roleLayout.histograms + own.histograms,
    };
    this.plan = { board: this.board.buffer, rows: indexFor(spec, connections) };
  }

  /** First error of a handler, with its stack; undefined if none has thrown. */
  get error(): string | undefined {
    return this.board.error;
  }

  /** Returns the error to report for a thread that has died, which the script may have caused rather than fourtuple. */
  explain(fault: AppError): AppError {
    const { cause, facts } = fault;
    if (facts.exitCode !== undefined) {
      return new AppError("E_WORKER", `${basename(this.spec.file)} ended its thread (exit code ${facts.exitCode})`, {
        fix: "do not exit or close the thread in it; c.close() ends a connection",
        facts,
      });
    }
    if (fault.code !== "E_WORKER" || !(cause instanceof Error)) return fault;
    if (cause.stack?.includes(this.spec.file)) {
      const place = placeInStack(cause.stack)?.words ?? "unknown line";
      const problem = `${basename(this.spec.file)} failed outside of its handlers: ${cause.message} (${place})`;
      return new AppError("E_WORKER", problem, {
        fix: "correct the file; timers and promises cannot use a connection",
        cause,
      });
    }
    if (!("code" in cause) || cause.code !== "ERR_WORKER_OUT_OF_MEMORY") return fault;
    return new AppError("E_WORKER", `${basename(this.spec.file)} has used up the memory of its thread`, {
      fix: "store less in variables: data of a single connection belongs in state",
      cause,
    });
  }

  /** Returns the number of calls of its handlers that threw. */
  countErrors(memories: readonly WorkerMemory[]): number {
    return sumCounter(memories, this.roleLayout.counters + ERRORS);
  }

  /** Returns the current values of its phases and metrics. */
  measurements(memories: readonly WorkerMemory[]): ScriptMeasurements {
    const { spec, roleLayout } = this;
    const counter = (place: number) => sumCounter(memories, roleLayout.counters + place);
    const durations = (place: number) => readHistogram(memories, roleLayout.histograms + place);
    return {
      phases: spec.phases.map((name, n) => ({ name, entered: counter(phasePlace(n)), durations: durations(n) })),
      metrics: placesOf(spec).map(({ metric, place }) => ({
        ...metric,
        value: metric.type === "counter" ? counter(place) : durations(place),
      })),
      errors: this.countErrors(memories),
    };
  }

  /** Returns the script's part of a result. */
  report(memories: readonly WorkerMemory[]): ScriptResult {
    const { spec, roleLayout } = this;
    const counter = (place: number) => sumCounter(memories, roleLayout.counters + place);
    const durations = (place: number) => summarizeLatency(readHistogram(memories, roleLayout.histograms + place));
    const placed = placesOf(spec);
    const errors = this.countErrors(memories);
    return {
      name: spec.title,
      file: spec.file,
      sha256: spec.sha256,
      seed: spec.seed,
      data: spec.data?.file,
      phases: spec.phases.map((name, n) => ({ name, entered: counter(phasePlace(n)), duration: durations(n) })),
      counters: placed
        .filter(({ metric }) => metric.type === "counter")
        .map(({ metric: { name, help }, place }) => ({ name, help, value: counter(place) })),
      histograms: placed
        .filter(({ metric }) => metric.type === "histogram")
        .map(({ metric: { name, help }, place }) => ({ name, help, duration: durations(place) })),
      refusals: this.board.refusals(),
      errors: errors > 0 ? { count: errors, first: (this.error ?? "").split("\n") } : undefined,
    };
  }
}

/**
 * Returns the index of a protocol's data file; undefined without one.
 *
 * @param connections number of connections that need a row of their own, unless rows are used again
 * @throws {AppError} E_OPTION if the data file cannot be read or has too few rows
 */
export function indexFor({ data }: ScriptedSpec, connections: number): RowIndex | undefined {
  const rows = data && indexRows(data.file, data.columns);
  if (!rows || data.wraps || rows.count >= connections) return rows;
  throw new AppError(
    "E_OPTION",
    `${basename(data.file)} has ${formatCount(rows.count)} rows for ${formatCount(connections)} connections`,
    { fix: "add rows, open fewer connections, or omit --data-once" },
  );
}

/**
 * Returns the ScriptRun of a user-defined protocol; undefined for other protocols.
 * @throws {AppError} E_OPTION; see ScriptRun
 */
export function scriptRunOf(
  protocol: ProtocolSpec | undefined,
  layout: MemoryLayout,
  connections?: number,
): ScriptRun | undefined {
  return protocol?.name === "scripted" ? new ScriptRun(protocol, layout, connections) : undefined;
}
