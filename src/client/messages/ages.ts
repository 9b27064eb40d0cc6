// When messages were due that never got an answer, kept until the end of a run: only then is known how late they are at least.
// A fixed number of spans of time, which get wider as a run gets longer.
import { type Histogram, toMicros } from "../../results/histogram/histogram.js";

const SPANS = 1024;
const FIRST_SPAN_MS = 4;

export class MessageAges {
  private readonly counts = new Float64Array(SPANS);
  private readonly startMs: number;
  private spanMs = FIRST_SPAN_MS;
  private lastDueMs = Number.NEGATIVE_INFINITY;

  constructor(startMs: number) {
    this.startMs = startMs;
  }

  /** `count` messages, the first due at `dueMs`, the others each `intervalMs` later. */
  note(dueMs: number, intervalMs: number, count: number): void {
    const lastMs = dueMs + (count - 1) * intervalMs;
    this.widenTo(lastMs);
    this.lastDueMs = Math.max(this.lastDueMs, lastMs);
    for (let left = count, ms = dueMs; left > 0; ) {
      const span = this.spanOf(ms);
      // As many as lie in the same span: one that was overloaded can lack millions.
      const endMs = this.startMs + (span + 1) * this.spanMs;
      const here = Math.min(left, Math.max(1, Math.ceil((endMs - ms) / intervalMs)));
      this.counts[span]! += here;
      left -= here;
      ms += here * intervalMs;
    }
  }

  /**
   * Records each as an answer that takes as long as it has not come by now.
   *
   * @returns the age of the youngest, in microseconds; Infinity when there is none
   */
  recordInto(histogram: Histogram, nowMs: number): number {
    if (this.lastDueMs === Number.NEGATIVE_INFINITY) return Number.POSITIVE_INFINITY;
    const youngestMs = nowMs - this.lastDueMs;
    this.counts.forEach((count, span) => {
      if (count === 0) return;
      const ageMs = nowMs - (this.startMs + (span + 1) * this.spanMs);
      histogram.record(Math.max(ageMs, youngestMs) * 1000, count);
    });
    return toMicros(youngestMs * 1000);
  }

  private spanOf(ms: number): number {
    return Math.min(SPANS - 1, Math.max(0, Math.floor((ms - this.startMs) / this.spanMs)));
  }

  private widenTo(ms: number): void {
    while (ms >= this.startMs + SPANS * this.spanMs) {
      this.spanMs *= 2;
      for (let span = 0; span < SPANS; span++) {
        this.counts[span] = span < SPANS / 2 ? this.counts[2 * span]! + this.counts[2 * span + 1]! : 0;
      }
    }
  }
}
