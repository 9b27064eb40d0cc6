// Converts failures to the form used in results: by step and name.
import { collectFailures, failureName } from "../../engine/failures.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { FailureReport } from "../../results/fields.js";

/** Returns `failures` of connections that never became ready, `losses` of those that did, and `statuses` of HTTP errors. */
export function reportFailures(memories: readonly WorkerMemory[]): {
  readonly failures: FailureReport[];
  readonly losses: FailureReport[];
  readonly statuses: FailureReport[];
} {
  const all = collectFailures(memories).map(({ phase, errno, count }) => ({
    phase,
    errno: failureName(phase, errno),
    count,
  }));
  return {
    failures: all.filter(({ phase }) => phase !== "hold" && phase !== "send" && phase !== "response"),
    losses: all.filter(({ phase }) => phase === "hold"),
    statuses: all.filter(({ phase }) => phase === "response"),
  };
}
