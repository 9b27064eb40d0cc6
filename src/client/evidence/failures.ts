// Failures in the form used in results: by step and name.
import { collectFailures, failureName } from "../../engine/failures.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { FailureReport } from "../../results/fields.js";

/** Returns `failures` of connections that never became ready, and `losses` of those that did. */
export function reportFailures(memories: readonly WorkerMemory[]): {
  readonly failures: FailureReport[];
  readonly losses: FailureReport[];
} {
  const all = collectFailures(memories).map(({ phase, errno, count }) => ({
    phase,
    errno: failureName(phase, errno),
    count,
  }));
  return {
    failures: all.filter(({ phase }) => phase !== "hold" && phase !== "send"),
    losses: all.filter(({ phase }) => phase === "hold"),
  };
}
