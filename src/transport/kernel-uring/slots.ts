// Keeps the state of one worker's connections by slot, including the requests in flight in their ring. Successive
// connections of a slot are numbered, so that a late completion for one connection is not attributed to the next.
import { SLOT } from "../slot-state.js";

/** Bits of a slot: one of SLOT, plus requests in flight. */
export const STATE_MASK = 3;
/** The entries from socket() to connect() are in flight. */
export const CONNECTING = 1 << 2;
export const RECEIVING = 1 << 3;
export const POLLING = 1 << 4;
/** A poll for room to send is in flight. */
export const WAITING = 1 << 5;
/** A send has been queued but not yet settled. */
export const QUEUED = 1 << 6;
/** The kernel accepted part of a send, and the remainder is in flight. */
export const RETAINED = 1 << 7;
/** The connection has exhausted its send budget for this turn. */
export const CLAMPED = 1 << 8;
/** The role may not send until sent() is called. */
export const UNSENT = WAITING | RETAINED | CLAMPED;
/** The slot cannot be reused while any of these requests is in flight. */
const UNDER_WAY = CONNECTING | QUEUED | RETAINED;
/**
 * Data has arrived twice in a short time while the connection was idle. More may follow soon, which justifies the
 * memory of a pending receive.
 */
export const SPEAKING = 1 << 9;
/** The connection was reset right after becoming ESTABLISHED. Received data is read before the reset is reported. */
export const WAS_RESET = 1 << 10;
/** The connection closes once its pending output has been sent. */
export const CLOSES_SENT = 1 << 11;
/** The receive in flight is a peek. Data is consumed after the role has used it. */
export const PEEKING = 1 << 12;

/** The period in which data last arrived while the connection was idle: 1 to 7 in rotation, 0 if none has. */
export const HEARD_SHIFT = 13;
export const HEARD = 7 << HEARD_SHIFT;

const FIRST = 1024;
const LIVES = 0xff;

export class Slots {
  /** Highest slot ever used, plus one. */
  end = 0;
  private readonly deals: boolean;
  private bits: Uint16Array;
  private lives: Uint8Array;
  /** Stack of available slots, followed by those freed since the last recycle(). */
  private stack = new Int32Array(0);
  private ready = 0;
  private freed = 0;
  /** By slot: 1 if take() must not return it. The array grows to the highest such slot. */
  private kept = new Uint8Array(0);

  /**
   * @param slots initial number of slots, which grows on demand
   * @param deals whether take() allocates slots; otherwise, the kernel chooses them
   */
  constructor(slots: number, deals: boolean) {
    this.deals = deals;
    this.bits = new Uint16Array(Math.max(FIRST, slots));
    this.lives = new Uint8Array(this.bits.length);
  }

  /** Returns a free slot below `limit`, or -1 if there is none. */
  take(limit: number): number {
    if (this.ready > 0) {
      const slot = this.stack[--this.ready]!;
      // Move the last pending slot into the gap.
      this.stack[this.ready] = this.stack[this.ready + this.freed]!;
      return slot;
    }
    if (this.end >= limit) return -1;
    if (this.end === this.bits.length) this.grow(this.end);
    return this.end++;
  }

  /** Releases the highest slot, which must never have been in a ring. */
  dropLast(): void {
    this.bits[--this.end] = SLOT.free;
  }

  /** Marks `slot`, which the kernel chose, as used. */
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

  /** Returns the number of the slot's connection, modulo 256. */
  life(slot: number): number {
    return this.lives[slot]!;
  }

  /** Invalidates all requests in flight for the slot. */
  beginLife(slot: number): void {
    this.lives[slot] = (this.lives[slot]! + 1) & LIVES;
  }

  /**
   * Clears bits. A free slot with nothing in flight becomes available after recycle().
   * @returns remaining bits
   */
  remove(slot: number, bits: number): number {
    const before = this.bits[slot]!;
    const left = before & ~bits;
    this.bits[slot] = left;
    if (this.deals && left !== before && (left & (STATE_MASK | UNDER_WAY)) === SLOT.free) this.give(slot);
    return left;
  }

  /**
   * Frees a slot.
   * @param underWay bits of requests still in flight; the slot is not reused before they have completed
   */
  free(slot: number, underWay: number): void {
    this.bits[slot] = underWay;
    if (this.deals && underWay === 0) this.give(slot);
  }

  /** Reserves `slot`, which will be freed, for takeKept(). */
  keep(slot: number): void {
    if (slot >= this.kept.length) {
      const kept = new Uint8Array(Math.max(slot + 1, this.kept.length * 2));
      kept.set(this.kept);
      this.kept = kept;
    }
    this.kept[slot] = 1;
  }

  /**
   * Takes a kept slot.
   * @returns false while requests of the slot's last connection are in flight
   */
  takeKept(slot: number): boolean {
    if ((this.bits[slot]! & (STATE_MASK | UNDER_WAY)) !== 0) return false;
    this.kept[slot] = 0;
    return true;
  }

  /** Makes all freed slots available. */
  recycle(): void {
    this.ready += this.freed;
    this.freed = 0;
  }

  private give(slot: number): void {
    if (slot < this.kept.length && this.kept[slot] === 1) return;
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
