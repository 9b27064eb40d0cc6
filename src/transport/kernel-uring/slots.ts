// The connections of one worker by slot: what each is at, and what is under way for it in its ring. A slot's connections are numbered,
// so that what a ring still answers for the one before is not taken for the next one's.
import { SLOT } from "../slot-state.js";

/** A slot's bits: one of SLOT, and what is under way. */
export const STATE_MASK = 3;
/** The entries up to connect(). */
export const CONNECTING = 1 << 2;
export const RECEIVING = 1 << 3;
export const POLLING = 1 << 4;
/** It is polled for room to send. */
export const WAITING = 1 << 5;
/** A send is among the entries that have not left yet. */
export const QUEUED = 1 << 6;
/** The kernel took a part of a send: the rest is on its way. */
export const RETAINED = 1 << 7;
/** It has sent its share of a turn. */
export const CLAMPED = 1 << 8;
/** Its role sends no more before it is told that it can. */
export const UNSENT = WAITING | RETAINED | CLAMPED;
/** While one of these is under way, the slot is nobody else's. */
const UNDER_WAY = CONNECTING | QUEUED | RETAINED;
/** It has said something while at rest: an answer may come soon, which is worth the memory of a receive that waits. */
export const SPEAKING = 1 << 9;
/** It was reset right after it had become ESTABLISHED: what it has received is read before that is told. */
export const WAS_RESET = 1 << 10;
/** It is closed as soon as what it was given has been sent. */
export const CLOSES_SENT = 1 << 11;
/** What is being received is only looked at: it is taken when its role has used it. */
export const PEEKING = 1 << 12;

const FIRST = 1024;
const LIVES = 0xff;

export class Slots {
  /** One more than the highest slot ever used. */
  end = 0;
  private readonly deals: boolean;
  private bits: Uint16Array;
  private lives: Uint8Array;
  /** A stack of slots that can be dealt, and behind them those that were freed since the last recycle(). */
  private stack = new Int32Array(0);
  private ready = 0;
  private freed = 0;

  /** @param slots to begin with; it grows @param deals slots are dealt by take(); else the kernel chooses them */
  constructor(slots: number, deals: boolean) {
    this.deals = deals;
    this.bits = new Uint16Array(Math.max(FIRST, slots));
    this.lives = new Uint8Array(this.bits.length);
  }

  /** A free slot below `limit`, or -1 when there is none. */
  take(limit: number): number {
    if (this.ready > 0) {
      const slot = this.stack[--this.ready]!;
      // The last of those behind fills the gap.
      this.stack[this.ready] = this.stack[this.ready + this.freed]!;
      return slot;
    }
    if (this.end >= limit) return -1;
    if (this.end === this.bits.length) this.grow(this.end);
    return this.end++;
  }

  /** Takes the highest slot back, which was never in a ring. */
  dropLast(): void {
    this.bits[--this.end] = SLOT.free;
  }

  /** The kernel has chosen `slot`. */
  occupy(slot: number, bits: number): void {
    if (slot >= this.bits.length) this.grow(slot);
    if (slot >= this.end) this.end = slot + 1;
    this.bits[slot] = bits;
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

  /** The number of the slot's connection, round at 256. */
  life(slot: number): number {
    return this.lives[slot]!;
  }

  /** Nothing that was begun so far matters any more. */
  beginLife(slot: number): void {
    this.lives[slot] = (this.lives[slot]! + 1) & LIVES;
  }

  /** Takes bits away; a free slot with nothing under way can be dealt again after recycle(). @returns what is left */
  remove(slot: number, bits: number): number {
    const before = this.bits[slot]!;
    const left = before & ~bits;
    this.bits[slot] = left;
    if (this.deals && left !== before && (left & (STATE_MASK | UNDER_WAY)) === SLOT.free) this.give(slot);
    return left;
  }

  /** No connection has the slot any more. @param underWay what is still under way for it: it is dealt again when that has ended */
  free(slot: number, underWay: number): void {
    this.bits[slot] = underWay;
    if (this.deals && underWay === 0) this.give(slot);
  }

  /** Lets the slots freed so far be dealt. */
  recycle(): void {
    this.ready += this.freed;
    this.freed = 0;
  }

  private give(slot: number): void {
    const count = this.ready + this.freed;
    if (count === this.stack.length) {
      const stack = new Int32Array(Math.max(FIRST, count * 2));
      stack.set(this.stack);
      this.stack = stack;
    }
    this.stack[count] = slot;
    this.freed++;
  }

  private grow(slot: number): void {
    const bits = new Uint16Array(Math.max(slot + 1, this.bits.length * 2));
    bits.set(this.bits);
    this.bits = bits;
    const lives = new Uint8Array(bits.length);
    lives.set(this.lives);
    this.lives = lives;
  }
}
