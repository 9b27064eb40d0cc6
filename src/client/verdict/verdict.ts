// Determines the verdict on a client's run: met, missed or interrupted, and the misses.
import type { Miss, MissKind, Outcome } from "../../results/outcome.js";
import { formatCount, formatDuration, plural } from "../../util/units.js";

/** @returns the outcome, and the misses with a count above 0 */
export function judge(
  wasInterrupted: boolean,
  found: readonly Miss[],
): { readonly outcome: Outcome; readonly isTargetMet: boolean; readonly misses: readonly Miss[] } {
  const misses = found.filter(({ count }) => count > 0);
  const outcome = wasInterrupted ? "interrupted" : misses.length > 0 ? "missed" : "met";
  return { outcome, isTargetMet: outcome === "met", misses };
}

/** Returns the outcome of any result; older versions have only isTargetMet. */
export function outcomeOf(result: { readonly outcome?: Outcome | undefined; readonly isTargetMet: boolean }): Outcome {
  return result.outcome ?? (result.isTargetMet ? "met" : "missed");
}

const PHRASES: Readonly<Record<MissKind, (count: number, of: number) => string>> = {
  established: (count) => `${formatCount(count)} not established`,
  unready: (count) => `${formatCount(count)} established but not ready`,
  lost: (count) => `${formatCount(count)} lost during hold`,
  unreopened: (count) => `${formatCount(count)} closed by the server and not reopened`,
  "half-open": (count) => `${formatCount(count)} established at this end only`,
  unaccepted: (count) => `${formatCount(count)} not accepted by the server`,
  ungreeted: (count) => `${formatCount(count)} not greeted`,
  unsent: (count, of) => `${formatCount(count)} of ${formatCount(of)} messages due but never sent`,
  unanswered: (count, of) => `${formatCount(count)} of ${formatCount(of)} messages unanswered (${percent(count, of)})`,
  undelivered: (count, of) => `${formatCount(count)} of ${formatCount(of)} messages not delivered`,
  errors: (count, of) => `${formatCount(count)} of ${formatCount(of)} responses with status 4xx or 5xx`,
  "handler-errors": (count) => `${plural(count, "handler call")} threw an error`,
  failures: (count, of) => `${formatCount(count)} failed or lost (at most ${formatCount(of)} allowed)`,
  rate: (count, of) => `${formatCount(count)} connections/s (at least ${formatCount(of)} required)`,
  latency: (count, of) => `p99 ${formatDuration(count)} (at most ${formatDuration(of)} allowed)`,
};

/**
 * Describes each miss, such as `10 lost during hold`. The caller reports misses of the kind `established`
 * itself, as "600 of 1,000 connections".
 */
export function missPhrases(misses: readonly Miss[] = []): string[] {
  return (
    misses
      .filter(({ kind }) => kind !== "established")
      // The result of a newer version may contain other kinds.
      .map(({ kind, count, of }) => PHRASES[kind]?.(count, of) ?? `${formatCount(count)} ${kind}`)
  );
}

/** Formats a percentage without rounding a small share to 0% or an incomplete one to 100%. */
function percent(count: number, of: number): string {
  const share = (count / of) * 100;
  if (count < of && share > 99) return "over 99%";
  return share < 1 ? "under 1%" : `${share.toFixed(0)}%`;
}
