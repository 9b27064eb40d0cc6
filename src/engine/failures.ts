// Collects the failures counted by workers, by step of a connection's life and errno.
import { isTlsCode, tlsCodeName } from "../linux/openssl/codes.js";
import { ERRNO_LIMIT, errnoName } from "../linux/syscalls/errno.js";
import { codeName, FIRST_CODE } from "../protocols/codes.js";
import { STEPS, type Step } from "../util/steps.js";
import type { WorkerMemory } from "./worker-memory.js";

/** Number of failures with the same phase and errno. `errno` may also be the code of a refusal. */
export interface FailureCount {
  readonly phase: Step;
  readonly errno: number;
  readonly count: number;
}

/** Returns the failures of all workers, most frequent first. */
export function collectFailures(memories: readonly WorkerMemory[]): FailureCount[] {
  const found: FailureCount[] = [];
  STEPS.forEach((phase, index) => {
    for (let errno = 0; errno < ERRNO_LIMIT; errno++) {
      const count = memories.reduce((sum, memory) => sum + memory.failures(index, errno), 0);
      if (count > 0) found.push({ phase, errno, count });
    }
  });
  const refusals = new Map<number, { phase: Step; errno: number; count: number }>();
  for (const { phase, code, count } of memories.flatMap((memory) => memory.refusals())) {
    const key = phase * 2 ** 20 + code;
    refusals.set(key, { phase: STEPS[phase]!, errno: code, count: count + (refusals.get(key)?.count ?? 0) });
  }
  return [...found, ...refusals.values()].sort((a, b) => b.count - a.count);
}

/**
 * Returns the name of a failure: that of its errno or of a protocol's refusal code; `FIN` if the peer closed the
 * connection, `SELF` if a connection connected to itself.
 */
export function failureName(phase: Step, errno: number): string {
  if (isTlsCode(errno)) return tlsCodeName(errno);
  if (errno >= FIRST_CODE) return codeName(errno);
  if (errno !== 0) return errnoName(errno);
  return phase === "connect" ? "SELF" : "FIN";
}

/** Returns the number of errors returned by connect() itself, by errno name. */
export function collectAtOnce(memories: readonly WorkerMemory[]): Record<string, number> {
  const found: Record<string, number> = {};
  for (let errno = 0; errno < ERRNO_LIMIT; errno++) {
    const count = memories.reduce((sum, memory) => sum + memory.failedAtOnce(errno), 0);
    if (count > 0) found[errnoName(errno)] = count;
  }
  return found;
}
