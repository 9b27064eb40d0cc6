// The time budget of a quick run: each experiment gets its share of what is left, so that a slow one takes none from the next.
import type { Experiment, LabContext } from "./experiment.js";

/** All experiments with their usual client loads together. */
const ALL_MS = 90_000;
const FEW = 2;

export class Budget {
  readonly #parts: readonly (readonly [id: string, ms: number])[];
  readonly #endMs: number;

  constructor(experiments: readonly Experiment[], context: Pick<LabContext, "connections" | "messageRatePerSec">) {
    this.#parts = experiments.map(({ id, quickMs }) => [id, quickMs(context)]);
    // Few of them may take longer: they have what the others would have had.
    this.#endMs = performance.now() + Math.min(Math.max(ALL_MS, sum(this.#parts)), FEW * sum(this.#parts));
  }

  /** Of an experiment that begins now, in milliseconds. */
  next({ id }: Pick<Experiment, "id">): number {
    const left = this.#parts.slice(this.#parts.findIndex(([each]) => each === id));
    const leftMs = Math.max(0, this.#endMs - performance.now());
    return (leftMs * left[0]![1]) / sum(left);
  }
}

function sum(parts: readonly (readonly [id: string, ms: number])[]): number {
  return parts.reduce((total, [, ms]) => total + ms, 0);
}
