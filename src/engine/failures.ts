// The failures that workers have counted, by the step of a connection's life and the errno.
import { ERRNO_LIMIT, errnoName } from "../linux/syscalls/errno.js";
import { STEPS, type Step } from "../util/steps.js";
import type { WorkerMemory } from "./worker-memory.js";

/** Failures of one kind: how often `errno` was met in `phase`. */
export interface FailureCount {
  readonly phase: Step;
  readonly errno: number;
  readonly count: number;
}

/** All failures of all workers, the most frequent first. */
export function collectFailures(memories: readonly WorkerMemory[]): FailureCount[] {
  const found: FailureCount[] = [];
  STEPS.forEach((phase, index) => {
    for (let errno = 0; errno < ERRNO_LIMIT; errno++) {
      const count = memories.reduce((sum, memory) => sum + memory.failures(index, errno), 0);
      if (count > 0) found.push({ phase, errno, count });
    }
  });
  return found.sort((a, b) => b.count - a.count);
}

/** What connect() itself returned, by the errno's name. */
export function collectAtOnce(memories: readonly WorkerMemory[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (let errno = 0; errno < ERRNO_LIMIT; errno++) {
    const count = memories.reduce((sum, memory) => sum + memory.failedAtOnce(errno), 0);
    if (count > 0) found[errnoName(errno)] = count;
  }
  return found;
}
