// Tells how much longer a thread has slept than it was allowed to, because its process was stopped or got no CPU.

export class Sleep {
  private seenMs: number;
  private promisedMs = Number.NEGATIVE_INFINITY;

  /** @param seenMs when the thread was last awake; Infinity if it has not been awake yet */
  constructor(seenMs = Number.POSITIVE_INFINITY) {
    this.seenMs = seenMs;
  }

  /** Allows the thread to sleep until this time. */
  promise(untilMs: number): void {
    this.promisedMs = untilMs;
  }

  /**
   * Called when the thread wakes up.
   * @returns the time since it could have run; at most 0 if it woke up early
   */
  end(nowMs: number): number {
    const oversleptMs = nowMs - Math.max(this.seenMs, this.promisedMs);
    this.seenMs = nowMs;
    this.promisedMs = Number.NEGATIVE_INFINITY;
    return oversleptMs;
  }
}
