// Thresholds that a caller sets, for example in CI. A run that violates a threshold misses its target, whatever else
// it achieves.

import type { LatencySummary } from "./histogram/latency-summary.js";
import type { Miss, Thresholds } from "./outcome.js";

/** Figures of a result to which thresholds apply. */
interface Measured {
  readonly latency: { readonly connect: LatencySummary; readonly roundTrip: LatencySummary };
  readonly ratePerSec: number;
  readonly requested: number;
  readonly established: number;
  readonly failed: number;
  readonly lost: number;
}

export function thresholdMisses({ maxP99Ms, minRatePerSec, maxFailed }: Thresholds, run: Measured): Miss[] {
  const { roundTrip, connect } = run.latency;
  const p99Ms = (roundTrip.count > 0 ? roundTrip : connect).p99Us / 1000;
  const failed = run.failed + run.lost;
  const misses: Miss[] = [];
  if (maxP99Ms !== undefined && p99Ms > maxP99Ms) misses.push({ kind: "latency", count: p99Ms, of: maxP99Ms });
  if (minRatePerSec !== undefined && run.ratePerSec < minRatePerSec) {
    misses.push({ kind: "rate", count: run.ratePerSec, of: minRatePerSec });
  }
  if (maxFailed !== undefined && failed > maxFailed) misses.push({ kind: "failures", count: failed, of: maxFailed });
  return misses;
}

/** Returns whether the number of failed and lost connections is within the threshold. */
export function toleratesFailures(
  { maxFailed }: Thresholds,
  { failed, lost }: Pick<Measured, "failed" | "lost">,
): boolean {
  return maxFailed !== undefined && failed + lost <= maxFailed;
}

/** Returns the number of error responses allowed among `responses`: the same share as of the requested connections. */
export function allowedErrors({ maxFailed = 0 }: Thresholds, responses: number, requested: number): number {
  return requested === 0 ? 0 : Math.floor((responses * maxFailed) / requested);
}

/** Returns the misses, excluding connections that were allowed to fail or be lost. */
export function withoutTolerated(misses: readonly Miss[], { requested, established, failed }: Measured): Miss[] {
  return misses
    .filter(({ kind }) => kind !== "lost" && kind !== "unready" && kind !== "unreopened")
    .map((miss) =>
      miss.kind === "established" ? { ...miss, count: Math.max(0, requested - established - failed) } : miss,
    );
}
