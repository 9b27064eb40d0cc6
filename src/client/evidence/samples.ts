// A run's course in a bounded number of points: when there is no room for more, every second one goes and the next are
// taken half as often. So a run of a second and one of a day take the same room, and both show their shape.
import type { RunSample } from "../../results/connect.js";

const CAPACITY = 600;
/** Below the guard's own interval, so that at first each of its samples is kept. */
const FIRST_INTERVAL_MS = 25;
/** Timers are late and early: a sample this near to its time is taken. */
const EARLY_MS = 10;

/** Samples at even intervals from the run's start to its end. */
export class Samples {
  readonly #capacity: number;
  #intervalMs: number;
  #kept: RunSample[] = [];

  /** @param capacity points that are kept at most */
  constructor(capacity = CAPACITY, intervalMs = FIRST_INTERVAL_MS) {
    this.#capacity = capacity;
    this.#intervalMs = intervalMs;
  }

  /** Keeps the sample when it is due. */
  add(sample: RunSample): void {
    const last = this.#kept.at(-1);
    if (last && sample.elapsedMs - last.elapsedMs < this.#intervalMs - EARLY_MS) return;
    this.mark(sample);
  }

  /** Keeps it in any case: the moment in which a ramp or the hold ends. Thinning may still take it. */
  mark(sample: RunSample): void {
    if (this.#kept.length >= this.#capacity) this.#thin();
    this.#kept.push(sample);
  }

  /** The first sample, the last, and those that were kept in between, in order. */
  list(): readonly RunSample[] {
    return [...this.#kept];
  }

  #thin(): void {
    this.#kept = this.#kept.filter((_, index) => index % 2 === 0);
    // As far apart as those that are left, when samples come more seldom than they might.
    const [before, last] = this.#kept.slice(-2);
    const apartMs = before && last ? last.elapsedMs - before.elapsedMs : 0;
    this.#intervalMs = Math.max(this.#intervalMs * 2, apartMs);
  }
}
