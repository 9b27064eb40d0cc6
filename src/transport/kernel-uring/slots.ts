// The connections of one worker by slot: what each is at, and what is under way for it in its ring. A slot is dealt again when the
// ring has answered everything that it was asked of it, so that no completion can meet the next connection.
import { SLOT } from "../slot-state.js";

/** A slot's bits: one of SLOT, and what is under way. */
export const STATE_MASK = 3;
/** The chain up to connect(). */
export const CONNECTING = 1 << 2;
export const RECEIVING = 1 << 3;
export const POLLING = 1 << 4;
export const SENDING = 1 << 5;
export const CLOSING = 1 << 6;
export const UNDER_WAY = CONNECTING | RECEIVING | POLLING | SENDING | CLOSING;
/** It has sent something: an answer may come soon, which is worth the memory of a receive that waits. */
export const SPEAKING = 1 << 7;
/** It was reset right after it had become ESTABLISHED: what it has received is read before that is told. */
export const WAS_RESET = 1 << 8;
/** It is closed as soon as what it was given has been sent. */
export const CLOSES_SENT = 1 << 9;

/** What is being received is only looked at: it is taken when its role has used it. */
export const PEEKING = 1 << 10;

const FIRST = 1024;

export class Slots {
  /** One more than the highest slot ever used. */
  end = 0;
  private bits: Uint16Array;
  /** The number of the 4-tuple, while it is being opened. */
  private tuples: Uint32Array;
  /** Empty until the first tuple is in use already. */
  private passed = new Uint32Array(0);
  /** A stack of slots that can be dealt, and behind them those that were freed since the last recycle(). */
  private stack = new Int32Array(0);
  private free = 0;
  private freed = 0;

  /** @param slots to begin with; it grows */
  constructor(slots: number) {
    this.bits = new Uint16Array(Math.max(FIRST, slots));
    this.tuples = new Uint32Array(this.bits.length);
  }

  /** A free slot below `limit`, or -1 when there is none. */
  take(limit: number): number {
    if (this.free > 0) {
      const slot = this.stack[--this.free]!;
      // The last of those behind fills the gap.
      this.stack[this.free] = this.stack[this.free + this.freed]!;
      return slot;
    }
    if (this.end >= limit) return -1;
    if (this.end === this.bits.length) this.grow();
    return this.end++;
  }

  /** Takes the highest slot back, which was never in a ring. */
  dropLast(): void {
    this.bits[--this.end] = SLOT.free;
  }

  state(slot: number): number {
    return this.bits[slot]! & STATE_MASK;
  }

  get(slot: number): number {
    return this.bits[slot]!;
  }

  set(slot: number, bits: number): void {
    this.bits[slot] = bits;
  }

  add(slot: number, bits: number): void {
    this.bits[slot]! |= bits;
  }

  /** Takes bits away; a free slot with nothing under way can be dealt again after recycle(). @returns what is left */
  remove(slot: number, bits: number): number {
    const left = this.bits[slot]! & ~bits;
    this.bits[slot] = left;
    if ((left & (STATE_MASK | UNDER_WAY)) === SLOT.free) this.give(slot);
    return left;
  }

  /** How many tuples this connection has passed over while it is being opened. */
  passedOver(slot: number): number {
    return slot < this.passed.length ? this.passed[slot]! : 0;
  }

  setPassedOver(slot: number, count: number): void {
    if (slot >= this.passed.length) {
      if (count === 0) return;
      const passed = new Uint32Array(this.bits.length);
      passed.set(this.passed);
      this.passed = passed;
    }
    this.passed[slot] = count;
  }

  tuple(slot: number): number {
    return this.tuples[slot]!;
  }

  setTuple(slot: number, tuple: number): void {
    this.tuples[slot] = tuple;
  }

  /** Lets the slots freed so far be dealt. */
  recycle(): void {
    this.free += this.freed;
    this.freed = 0;
  }

  private give(slot: number): void {
    const count = this.free + this.freed;
    if (count === this.stack.length) {
      const stack = new Int32Array(Math.max(FIRST, count * 2));
      stack.set(this.stack);
      this.stack = stack;
    }
    this.stack[count] = slot;
    this.freed++;
  }

  private grow(): void {
    const bits = new Uint16Array(this.bits.length * 2);
    bits.set(this.bits);
    this.bits = bits;
    const tuples = new Uint32Array(bits.length);
    tuples.set(this.tuples);
    this.tuples = tuples;
  }
}
