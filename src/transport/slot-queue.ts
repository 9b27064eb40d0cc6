// A queue of connections that have exhausted their share of a turn. Events are edge-triggered, so the kernel will not
// report these connections again. The typed arrays stay small unless many peers send at once.

const FIRST = 64;

/** A FIFO of slots, each of which is queued at most once. */
export class SlotQueue {
  /** Number of queued slots. */
  length = 0;
  private head = 0;
  /** Circular buffer; its length is a power of two. */
  private slots = new Int32Array(FIRST);
  /** By slot: 1 if it is queued. */
  private isQueued = new Uint8Array(0);

  /** Returns whether `slot` is queued. */
  has(slot: number): boolean {
    return slot < this.isQueued.length && this.isQueued[slot] === 1;
  }

  /** Appends a slot, unless it is already queued. */
  push(slot: number): void {
    if (this.has(slot)) return;
    if (slot >= this.isQueued.length) this.growFlags(slot);
    if (this.length === this.slots.length) this.growRing();
    this.slots[(this.head + this.length) & (this.slots.length - 1)] = slot;
    this.isQueued[slot] = 1;
    this.length++;
  }

  /** First slot. The queue must not be empty. */
  get first(): number {
    return this.slots[this.head]!;
  }

  /** Removes and returns the first slot. The queue must not be empty. The slot may have been closed or reused since. */
  shift(): number {
    const slot = this.slots[this.head]!;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.isQueued[slot] = 0;
    this.length--;
    return slot;
  }

  private growFlags(slot: number): void {
    const flags = new Uint8Array(Math.max(slot + 1, this.isQueued.length * 2));
    flags.set(this.isQueued);
    this.isQueued = flags;
  }

  private growRing(): void {
    const slots = new Int32Array(this.slots.length * 2);
    for (let n = 0; n < this.length; n++) slots[n] = this.slots[(this.head + n) & (this.slots.length - 1)]!;
    this.slots = slots;
    this.head = 0;
  }
}
