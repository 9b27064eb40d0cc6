// What a result says of a histogram: the figures that people read, and the histogram itself, so that results can be merged.

import { decodeHistogram, encodeHistogram } from "./encoding.js";
import { Histogram } from "./histogram.js";
import type { LatencySummary } from "./latency-summary.js";

/** The figures of a histogram, and its text; all of them 0, and no text, when nothing was recorded. */
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
 * The histogram that a summary was made of; undefined when it has none, as in results of older versions.
 *
 * @throws {AppError} E_OPTION when its text is none
 */
export function histogramOf({ count, histogram }: LatencySummary): Histogram | undefined {
  if (histogram !== undefined) return decodeHistogram(histogram);
  return count === 0 ? new Histogram() : undefined;
}
