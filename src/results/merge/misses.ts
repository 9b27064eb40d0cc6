// Merges the misses of two parts of a run.
import type { ConnectResult } from "../connect.js";
import { MISS_KINDS } from "../identifiers.js";
import type { Miss, MissKind, Outcome, Thresholds } from "../outcome.js";
import { thresholdMisses } from "../thresholds.js";
import { add, either } from "./values.js";

/** Figures of the whole run that are needed for the verdict. */
type Whole = Pick<
  ConnectResult,
  "requested" | "established" | "failed" | "lost" | "ratePerSec" | "latency" | "kernel" | "messages" | "responses"
>;
type Judged = Pick<ConnectResult, "misses" | "outcome" | "isTargetMet">;

/**
 * The parts share the number of allowed failures and the rate, so both are added. A latency limit applies to every
 * message.
 */
export function mergeThresholds(a: Thresholds = {}, b: Thresholds = {}): Thresholds {
  return {
    maxP99Ms: either(a.maxP99Ms, b.maxP99Ms, Math.min),
    minRatePerSec: either(a.minRatePerSec, b.minRatePerSec, add),
    maxFailed: either(a.maxFailed, b.maxFailed, add),
  };
}

/** Adds counts and checks the merged thresholds. The whole run counts as interrupted if any part was. */
export function mergeVerdicts(a: Judged, b: Judged, thresholds: Thresholds, whole: Whole): Judged {
  const counted = MISS_KINDS.map((kind) => ({ kind, count: countOf(kind, a) + countOf(kind, b) }))
    .filter(({ kind, count }) => !isThreshold(kind) && count > 0)
    .map(({ kind, count }): Miss => ({ kind, count, of: allOf(kind, count, whole) }));
  const misses = [...counted, ...thresholdMisses(thresholds, whole)].sort(
    (x, y) => MISS_KINDS.indexOf(x.kind) - MISS_KINDS.indexOf(y.kind),
  );
  const outcomes = [a, b].map(({ outcome }) => outcome);
  const outcome: Outcome = outcomes.includes("interrupted") ? "interrupted" : misses.length > 0 ? "missed" : "met";
  return { outcome, isTargetMet: outcome === "met", misses };
}

function countOf(kind: MissKind, { misses }: Judged): number {
  return misses.find((miss) => miss.kind === kind)?.count ?? 0;
}

function isThreshold(kind: MissKind): boolean {
  return kind === "failures" || kind === "rate" || kind === "latency";
}

/** Returns the total that a miss is part of, for the whole run, because a part without misses does not contain it. */
function allOf(kind: MissKind, count: number, { requested, established, kernel, messages, responses }: Whole): number {
  if (kind === "established") return Math.max(requested, count);
  if (kind === "half-open") return kernel?.outgoing ?? count;
  if (kind === "unsent") return messages?.due ?? count;
  if (kind === "unanswered") return messages?.sent ?? count;
  if (kind === "errors" && responses) {
    return responses["2xx"] + responses["3xx"] + responses["4xx"] + responses["5xx"];
  }
  return established;
}
