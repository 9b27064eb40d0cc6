// Keeps free slots in one typed array, because a worker's heap is too small for millions of
// numbers.

const FIRST = 1024;

/** A LIFO stack of free slots. */
export class FreeSlots {
  /** Available slots, followed by those freed since the last recycle(). */
  private slots = new Int32Array(0);
  private free = 0;
  private freed = 0;

  /** Returns an available slot, or -1 if there is none. */
  take(): number {
    if (this.free === 0) return -1;
    const slot = this.slots[--this.free]!;
    // Move the last pending slot into the gap.
    this.slots[this.free] = this.slots[this.free + this.freed]!;
    return slot;
  }

  /** Frees a slot, which becomes available after the next recycle(). */
  give(slot: number): void {
    const count = this.free + this.freed;
    if (count === this.slots.length) this.grow();
    this.slots[count] = slot;
    this.freed++;
  }

  /** Makes all freed slots available. */
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
