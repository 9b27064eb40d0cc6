// ACKs that wait for data to carry them (RFC 9293, 3.8.6.3). All of them wait equally long, so a queue keeps them in
// order of time.

/** As long as Linux waits at least (TCP_DELACK_MIN). */
export const ACK_DELAY_MS = 40;
const FIRST = 64;

export class DelayedAcks {
  private ids = new Int32Array(FIRST);
  private dueMs = new Float64Array(FIRST);
  private head = 0;
  private count = 0;

  push(id: number, nowMs: number): void {
    if (this.count === this.ids.length) this.grow();
    const at = (this.head + this.count++) & (this.ids.length - 1);
    this.ids[at] = id;
    this.dueMs[at] = nowMs + ACK_DELAY_MS;
  }

  /**
   * Removes the next connection whose time is up.
   * @returns its number, which may have been freed or used again since; -1 if there is none
   */
  expired(nowMs: number): number {
    if (this.count === 0 || this.dueMs[this.head]! > nowMs) return -1;
    const id = this.ids[this.head]!;
    this.head = (this.head + 1) & (this.ids.length - 1);
    this.count--;
    return id;
  }

  /** Returns the time until the next one is due; Infinity if there is none. */
  untilNextMs(nowMs: number): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.dueMs[this.head]! - nowMs);
  }

  private grow(): void {
    const { ids, dueMs, head, count } = this;
    this.ids = new Int32Array(count * 2);
    this.dueMs = new Float64Array(count * 2);
    for (let n = 0; n < count; n++) {
      const at = (head + n) & (count - 1);
      this.ids[n] = ids[at]!;
      this.dueMs[n] = dueMs[at]!;
    }
    this.head = 0;
  }
}
