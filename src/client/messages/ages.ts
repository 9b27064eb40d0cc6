// Keeps the due times of unanswered messages until the end of a run, when it is known how long they have waited at
// least. The number of time spans is fixed, and they get wider as the run gets longer.
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

  /** Adds `count` messages: the first due at `dueMs`, each of the others `intervalMs` later. */
  note(dueMs: number, intervalMs: number, count: number): void {
    const lastMs = dueMs + (count - 1) * intervalMs;
    this.widenTo(lastMs);
    this.lastDueMs = Math.max(this.lastDueMs, lastMs);
    for (let left = count, ms = dueMs; left > 0; ) {
      const span = this.spanOf(ms);
      // Count all messages of a span in one step: an overloaded connection may have millions.
      const endMs = this.startMs + (span + 1) * this.spanMs;
      const here = Math.min(left, Math.max(1, Math.ceil((endMs - ms) / intervalMs)));
      this.counts[span]! += here;
      left -= here;
      ms += here * intervalMs;
    }
  }

  /**
   * Records each message as an answer whose latency is its age at `nowMs`.
   *
   * @returns age of the youngest message in microseconds; Infinity if there is none
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
