// The slots that no connection has. One typed array: a heap of a worker's size has no room for millions of numbers.

const FIRST = 1024;

/** A stack of slots; those freed last are given out first. */
export class FreeSlots {
  /** Free slots, and behind them those that were freed since the last recycle(). */
  private slots = new Int32Array(0);
  private free = 0;
  private freed = 0;

  /** A slot that may be used again, or -1 when there is none. */
  take(): number {
    if (this.free === 0) return -1;
    const slot = this.slots[--this.free]!;
    // The last of those behind fills the gap.
    this.slots[this.free] = this.slots[this.free + this.freed]!;
    return slot;
  }

  /** Gives a slot back: it is taken again only after the next recycle(). */
  give(slot: number): void {
    const count = this.free + this.freed;
    if (count === this.slots.length) this.grow();
    this.slots[count] = slot;
    this.freed++;
  }

  /** Lets the slots given back so far be taken. */
  recycle(): void {
    this.free += this.freed;
    this.freed = 0;
  }

  private grow(): void {
    const slots = new Int32Array(Math.max(FIRST, this.slots.length * 2));
    slots.set(this.slots);
    this.slots = slots;
  }
}
