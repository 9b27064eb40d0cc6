// Merges latencies by their histograms.
import { AppError } from "../../util/errors.js";
import type { LatencySummary } from "../histogram/latency-summary.js";
import { histogramOf, summarizeLatency } from "../histogram/summarize.js";

/** @throws {AppError} E_OPTION for a result of an older version, without histograms */
export function mergeLatency(a: LatencySummary, b: LatencySummary): LatencySummary {
  const [x, y] = [histogramOf(a), histogramOf(b)];
  if (x === undefined || y === undefined) {
    throw new AppError("E_OPTION", "a result without histograms cannot be merged: it is of an older version", {
      fix: "run it again",
    });
  }
  x.add(y);
  return summarizeLatency(x);
}
