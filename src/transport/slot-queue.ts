// Connections that have had their share of a turn and have more to do. Events are edge-triggered: the kernel does not report
// them again, so they are remembered here. Typed arrays, which stay small unless many peers flood us at once.

const FIRST = 64;

/** Slots in the order in which they came, each at most once. */
export class SlotQueue {
  /** How many slots wait. */
  length = 0;
  private head = 0;
  /** A ring: its length is a power of two. */
  private slots = new Int32Array(FIRST);
  /** 1 for each slot in the ring. */
  private isQueued = new Uint8Array(0);

  /** Whether `slot` waits. */
  has(slot: number): boolean {
    return slot < this.isQueued.length && this.isQueued[slot] === 1;
  }

  /** Puts a slot at the end, unless it waits already. */
  push(slot: number): void {
    if (this.has(slot)) return;
    if (slot >= this.isQueued.length) this.growFlags(slot);
    if (this.length === this.slots.length) this.growRing();
    this.slots[(this.head + this.length) & (this.slots.length - 1)] = slot;
    this.isQueued[slot] = 1;
    this.length++;
  }

  /** The first slot; the queue must not be empty. */
  get first(): number {
    return this.slots[this.head]!;
  }

  /** Takes the first slot out; the queue must not be empty. The slot may have been closed, or be another connection's, since. */
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
