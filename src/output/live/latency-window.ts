// Percentiles of the latencies recorded since the previous call, from histograms that only ever grow.
import { Histogram } from "../../results/histogram/histogram.js";

/** Median, 99th percentile and maximum of an interval in microseconds; null if nothing was recorded in it. */
export type Percentiles = readonly [p50: number | null, p99: number | null, max: number | null];

export const NOTHING: Percentiles = [null, null, null];

export class LatencyWindow {
  #before: Histogram | undefined;
  #count = 0;

  /**
   * @param total everything recorded since the start of the run; kept until the next call, which modifies it
   */
  take(total: Histogram): Percentiles {
    const { count } = total;
    const before = this.#before;
    // The histogram may have been reset since the previous call.
    const isFresh = count !== this.#count;
    this.#before = total;
    if (!isFresh) return NOTHING;
    const since = new Histogram(Float64Array.from(total.counts));
    if (before && count > this.#count) since.subtract(before);
    this.#count = count;
    const [p50, p99, max] = since.percentiles([50, 99, 100]) as [number, number, number];
    return [p50, p99, max];
  }
}
