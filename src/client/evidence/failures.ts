// Failures as a result has them: by step and by the errno's name.
import { collectFailures } from "../../engine/failures.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { errnoName } from "../../linux/syscalls/errno.js";
import type { FailureReport, Phase } from "../../results/fields.js";

/** Of connections that never were ESTABLISHED, and of those that were. */
export function reportFailures(memories: readonly WorkerMemory[]): {
  readonly failures: FailureReport[];
  readonly losses: FailureReport[];
} {
  const all = collectFailures(memories).map(({ phase, errno, count }) => ({
    phase,
    errno: nameFailure(phase, errno),
    count,
  }));
  return {
    failures: all.filter(({ phase }) => phase !== "hold" && phase !== "send"),
    losses: all.filter(({ phase }) => phase === "hold"),
  };
}

/** @returns the errno's name; `FIN` where the peer closed in order, `SELF` where a connection was its own peer */
export function nameFailure(phase: Phase, errno: number): string {
  if (errno !== 0) return errnoName(errno);
  return phase === "connect" ? "SELF" : "FIN";
}
