// Summarizes a histogram for a result: figures for people, and the encoded histogram for merging results.

import { decodeHistogram, encodeHistogram } from "./encoding.js";
import { Histogram } from "./histogram.js";
import type { LatencySummary } from "./latency-summary.js";

/**
 * Returns a histogram's figures and encoded form. If nothing was recorded, the figures are 0 and the encoded form is
 * missing.
 */
export function summarizeLatency(histogram: Histogram): LatencySummary {
  const { count } = histogram;
  const [p50Us, p90Us, p99Us, p999Us] = histogram.percentiles([50, 90, 99, 99.9]) as [number, number, number, number];
  return {
    count,
    minUs: histogram.min,
    meanUs: Math.round(histogram.mean),
    p50Us,
    p90Us,
    p99Us,
    p999Us,
    maxUs: histogram.max,
    ...(count > 0 && { histogram: encodeHistogram(histogram) }),
  };
}

/**
 * Returns the histogram of a summary; undefined if the summary has none, as in results from older versions.
 *
 * @throws {AppError} E_OPTION if the histogram cannot be decoded
 */
export function histogramOf({ count, histogram }: LatencySummary): Histogram | undefined {
  if (histogram !== undefined) return decodeHistogram(histogram);
  return count === 0 ? new Histogram() : undefined;
}
