// The failures of a run in progress by step and cause: what an agent sends of them with a heartbeat, and their sums over
// all agents.
import type { RunMeasurements } from "../../engine/run/measurements.js";

/** Failures by step of a connection's life and cause, most frequent first. */
export type FailureCounts = RunMeasurements["failures"];

/** Most kinds of failures in a heartbeat; rarer ones are missing until the result. */
export const MOST_FAILURES = 256;

/** Adds up failures of the same step and cause. */
export function sumOfFailures(parts: readonly FailureCounts[]): FailureCounts {
  const sums = new Map<string, FailureCounts[number]>();
  for (const failure of parts.flat()) {
    const key = `${failure.phase} ${failure.cause}`;
    sums.set(key, { ...failure, count: failure.count + (sums.get(key)?.count ?? 0) });
  }
  return [...sums.values()].sort((a, b) => b.count - a.count);
}

/** Returns the failures of all agents; those of lost ones until their last heartbeat. */
export function failuresOf(members: readonly { readonly failures: FailureCounts }[]): FailureCounts {
  return sumOfFailures(members.map(({ failures }) => failures));
}
