// Receives data from connections. An idle connection is polled, which uses the least kernel memory; an active one is
// received from, into buffers provided by its ring.
import { EPOLLIN, EPOLLRDHUP, MSG_PEEK } from "../../linux/syscalls/constants.js";
import { ECANCELED, ECONNRESET, ENOBUFS } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushDiscard, pushPoll, pushReceive } from "../../linux/uring/entries.js";
import type { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { SLOT } from "../slot-state.js";
import { FIRST_LARGE, LARGE_GROUP, type RingSet, type RingUnit, SMALL_GROUP } from "./ring-set.js";
import {
  HEARD,
  HEARD_SHIFT,
  PEEKING,
  POLLING,
  RECEIVING,
  type Slots,
  SPEAKING,
  STATE_MASK,
  UNSENT,
  WAS_RESET,
} from "./slots.js";
import { TAG, tagOf } from "./tags.js";

const AT_REST = EPOLLIN | EPOLLRDHUP;
/** An idle connection that speaks in two consecutive periods of this length is received from, others are polled. */
const PERIOD_MS = 1000;
/** Periods are numbered from 1 to this. */
const PERIODS = 7;

/** Events reported to the owner of the connections. */
export interface ReceiveEvents {
  /** @returns number of bytes consumed */
  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number;
  /** DATA has been reported. */
  delivered(slot: number): void;
  /** @param errno 0 for the peer's FIN */
  ended(slot: number, errno: number): void;
}

export class Receives {
  /** See Transport. */
  isHeld = false;
  peeks = false;
  /** The current period, from 1 to PERIODS. */
  private period = 1;
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: ReceiveEvents;
  private readonly readsUnsent: boolean;
  /** Connections whose next receive is deferred until DATA is wanted again. */
  private held: number[] = [];
  /** Data per slot that arrived after DATA was suspended or after the connection was blocked. */
  private readonly early = new Map<number, NativeBuffer>();

  /** @param readsUnsent whether incoming data is reported while output is still pending */
  constructor(slots: Slots, rings: RingSet, events: ReceiveEvents, readsUnsent: boolean) {
    this.slots = slots;
    this.rings = rings;
    this.events = events;
    this.readsUnsent = readsUnsent;
  }

  /**
   * Waits for data on an ESTABLISHED connection, unless a request is already in flight. @param isThere data may be
   * available
   */
  arm(slot: number, isThere: boolean, group = SMALL_GROUP): void {
    const { slots, peeks } = this;
    const bits = slots.get(slot);
    if ((bits & (RECEIVING | POLLING)) !== 0 || this.isBlocked(bits)) return;
    if (this.isHeld) {
      this.held.push(slot);
      return;
    }
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const file = slot - unit.firstSlot;
    if (!isThere && (bits & (STATE_MASK | SPEAKING)) === SLOT.resting) {
      slots.set(slot, bits | POLLING);
      pushPoll(unit.ring, file, AT_REST, 0, slot, tagOf(TAG.poll, slots.life(slot)));
      return;
    }
    slots.set(slot, peeks ? bits | RECEIVING | PEEKING : bits | RECEIVING);
    const tag = tagOf(TAG.receive, slots.life(slot));
    pushReceive(unit.ring, file, isThere ? 0 : RECV.pollFirst, group, peeks ? MSG_PEEK : 0, slot, tag);
  }

  /** Sets the time at which the data reported next arrived. */
  tick(nowMs: number): void {
    this.period = 1 + (Math.floor(nowMs / PERIOD_MS) % PERIODS);
  }

  /** Marks a connection as idle: its pending receive is cancelled and then replaced by a poll. */
  rest(slot: number): void {
    if ((this.slots.get(slot) & (RECEIVING | SPEAKING)) === RECEIVING) this.cancel(slot);
  }

  /** Reports nothing more for this connection until goOn(). */
  block(slot: number): void {
    const bits = this.slots.get(slot);
    if (this.isBlocked(bits) && (bits & RECEIVING) !== 0) this.cancel(slot);
  }

  /** Resumes a connection whose output has been sent. */
  goOn(slot: number): void {
    const bits = this.slots.get(slot);
    if (this.readsUnsent || (bits & STATE_MASK) < SLOT.opened || this.isBlocked(bits)) return;
    if (!this.tellEarly(slot)) this.arm(slot, false);
  }

  /** Whether the next turn has events to report without waiting. */
  get hasMore(): boolean {
    return this.held.length > 0 && !this.isHeld;
  }

  /** Resumes connections that were held. */
  resume(): void {
    if (!this.hasMore) return;
    const { held } = this;
    this.held = [];
    for (const slot of held) {
      if (this.slots.state(slot) < SLOT.opened) continue;
      // Report one at a time: the handler may suspend DATA after the first.
      if (this.isHeld) this.held.push(slot);
      else if (!this.tellEarly(slot)) this.arm(slot, false);
    }
  }

  /** Discards data of a connection that has ended. */
  drop(slot: number): void {
    if (this.early.size > 0) this.early.delete(slot);
  }

  pollEnded(slot: number, result: number): void {
    this.slots.remove(slot, POLLING);
    this.arm(slot, result !== -ECANCELED);
  }

  receiveEnded(unit: RingUnit, slot: number, result: number, flags: number): void {
    const bits = this.slots.remove(slot, RECEIVING);
    if ((flags & CQE_FLAG.buffer) !== 0) {
      const id = bufferOf(flags);
      const buffers = buffersOf(unit, id);
      const offset = buffers.offsetOf(id);
      if (result > 0) this.take(slot, bits, buffers, offset, result);
      buffers.giveBack(id);
      if (result > 0) return;
    }
    if (result === -ECANCELED || result === -ENOBUFS) this.arm(slot, result === -ENOBUFS);
    else if (result < 0) this.events.ended(slot, -result);
    else this.events.ended(slot, (bits & WAS_RESET) !== 0 ? ECONNRESET : 0);
  }

  private take(slot: number, bits: number, buffers: ProvidedBuffers, offset: number, length: number): void {
    if (!this.isHeld && !this.isBlocked(bits)) {
      this.deliver(slot, bits, buffers.memory, offset, length, length === buffers.size);
      return;
    }
    // Peeked data stays in the receive queue.
    if ((bits & PEEKING) === 0) {
      this.early.set(slot, NativeBuffer.from(buffers.memory.bytes.subarray(offset, offset + length)));
    }
    this.slots.remove(slot, PEEKING);
    if (this.isHeld) this.held.push(slot);
  }

  private tellEarly(slot: number): boolean {
    const bytes = this.early.get(slot);
    if (!bytes) return false;
    this.early.delete(slot);
    this.deliver(slot, this.slots.get(slot), bytes, 0, bytes.bytes.length, false);
    return true;
  }

  /** @param isFull the buffer is full, so there may be more data */
  private deliver(
    slot: number,
    bits: number,
    bytes: NativeBuffer,
    offset: number,
    length: number,
    isFull: boolean,
  ): void {
    const { slots, events } = this;
    if ((bits & STATE_MASK) === SLOT.resting) slots.set(slot, this.heard(bits));
    const used = events.received(slot, bytes, offset, length);
    if (slots.state(slot) === SLOT.free) return;
    if ((bits & PEEKING) !== 0) this.takeUsed(slot, bytes.address, used);
    events.delivered(slot);
    if (slots.state(slot) === SLOT.free) return;
    const isFlood = isFull && this.rings.largeBuffers(this.rings.unitOf(slot)) !== undefined;
    const isThere = isFull || (bits & WAS_RESET) !== 0 || ((bits & PEEKING) !== 0 && used < length);
    this.arm(slot, isThere, isFlood ? LARGE_GROUP : SMALL_GROUP);
  }

  /** Consumes the peeked data that was used. The rest stays in the receive queue. */
  private takeUsed(slot: number, address: number, used: number): void {
    this.slots.remove(slot, PEEKING);
    if (used === 0) return;
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    pushDiscard(unit.ring, slot - unit.firstSlot, address, used, slot, TAG.ignored);
  }

  /** Returns the bits of an idle connection that has just sent data. */
  private heard(bits: number): number {
    const before = bits >>> HEARD_SHIFT;
    const isSoon = before > 0 && (this.period - before + PERIODS) % PERIODS <= 1;
    return (bits & ~(HEARD | SPEAKING)) | (this.period << HEARD_SHIFT) | (isSoon ? SPEAKING : 0);
  }

  private isBlocked(bits: number): boolean {
    return !this.readsUnsent && (bits & UNSENT) !== 0;
  }

  private cancel(slot: number): void {
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const tag = tagOf(TAG.receive, this.slots.life(slot));
    pushCancel(unit.ring, slot, tag, SQE_FLAG.skipSuccess, slot, TAG.ignored);
  }
}

export function buffersOf(unit: RingUnit, id: number): ProvidedBuffers {
  return id < FIRST_LARGE ? unit.small : unit.large!;
}
