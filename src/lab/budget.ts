// The time budget of a quick run. Each experiment gets a share of the remaining time, so that a slow one does not delay
// the next.
import type { Experiment, LabContext } from "./experiment.js";

/** Total time for all experiments with their default numbers of connections. */
const ALL_MS = 115_000;
const FEW = 2;

export class Budget {
  readonly #parts: readonly (readonly [id: string, ms: number])[];
  readonly #endMs: number;

  constructor(experiments: readonly Experiment[], context: Pick<LabContext, "connections" | "messageRatePerSec">) {
    this.#parts = experiments.map(({ id, quickMs }) => [id, quickMs(context)]);
    // When only a few experiments run, each may use up to twice its share.
    this.#endMs = performance.now() + Math.min(Math.max(ALL_MS, sum(this.#parts)), FEW * sum(this.#parts));
  }

  /** Returns the budget in milliseconds of an experiment that starts now. */
  next({ id }: Pick<Experiment, "id">): number {
    const left = this.#parts.slice(this.#parts.findIndex(([each]) => each === id));
    const leftMs = Math.max(0, this.#endMs - performance.now());
    return (leftMs * left[0]![1]) / sum(left);
  }
}

function sum(parts: readonly (readonly [id: string, ms: number])[]): number {
  return parts.reduce((total, [, ms]) => total + ms, 0);
}
