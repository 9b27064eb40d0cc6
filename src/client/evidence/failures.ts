// Failures as a result has them: by step and by name.
import { collectFailures, failureName } from "../../engine/failures.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { FailureReport } from "../../results/fields.js";

/** Of connections that were never ready, and of those that were. */
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
