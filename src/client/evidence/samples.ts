// Records a run as a bounded number of samples. When the buffer is full, every second sample is dropped and the
// interval doubles, so a run of one second and a run of one day take the same space and both keep their shape.
import type { RunSample } from "../../results/connect.js";

const CAPACITY = 600;
/** This is less than the guard's interval, so that all of its samples are kept at first. */
const FIRST_INTERVAL_MS = 25;
/** Tolerance for timer jitter: a sample this much too early is still taken. */
const EARLY_MS = 10;

/** Samples at regular intervals from the start of the run to its end. */
export class Samples {
  readonly #capacity: number;
  #intervalMs: number;
  #kept: RunSample[] = [];

  /** @param capacity maximum number of samples to keep */
  constructor(capacity = CAPACITY, intervalMs = FIRST_INTERVAL_MS) {
    this.#capacity = capacity;
    this.#intervalMs = intervalMs;
  }

  /** Adds the sample if the interval has passed. */
  add(sample: RunSample): void {
    const last = this.#kept.at(-1);
    if (last && sample.elapsedMs - last.elapsedMs < this.#intervalMs - EARLY_MS) return;
    this.mark(sample);
  }

  /**
   * Adds the sample unconditionally, for example at the end of the ramp or hold. The sample may still be dropped
   * later.
   */
  mark(sample: RunSample): void {
    if (this.#kept.length >= this.#capacity) this.#thin();
    this.#kept.push(sample);
  }

  /** Returns the samples in order, from the first to the last. */
  list(): readonly RunSample[] {
    return [...this.#kept];
  }

  #thin(): void {
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    // If samples arrive less often than the interval, use the spacing of those that remain.
    const [before, last] = this.#kept.slice(-2);
    const apartMs = before && last ? last.elapsedMs - before.elapsedMs : 0;
    this.#intervalMs = Math.max(this.#intervalMs * 2, apartMs);
  }
}
