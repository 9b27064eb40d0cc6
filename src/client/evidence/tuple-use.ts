// Counts how many 4-tuples of a plan a run has taken and holds, from its counters. No socket is read.
import { readMetrics } from "../../engine/metrics.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { TuplePlan } from "../../planning/tuple-plan.js";
import { CLIENT_METRICS } from "../metrics.js";

export interface TupleUse {
  /** The workers take its 4-tuples in order. */
  readonly plan: TuplePlan;
  /** Number of connections requested. */
  readonly connections: number;
  /** Number of 4-tuples taken from the plan so far. */
  readonly taken: number;
  /** Number of those in use. */
  readonly held: number;
}

/** @param memories of the workers that take 4-tuples from the plan, as far as they have started */
export function tupleUseOf(plan: TuplePlan, connections: number, memories: readonly WorkerMemory[]): TupleUse {
  const { started, skippedTuples, open, inFlight, toReopen } = readMetrics(CLIENT_METRICS, memories);
  return { plan, connections, taken: started + skippedTuples, held: open + inFlight + toReopen + skippedTuples };
}
