// Receives data from connections. An idle connection is polled, which uses the least kernel memory. An active
// connection has a pending receive into buffers provided by its ring.
import { EPOLLIN, EPOLLRDHUP, MSG_PEEK } from "../../linux/syscalls/constants.js";
import { EAGAIN, ECANCELED, ECONNRESET, ENOBUFS } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushDiscard, pushPoll, pushReceive } from "../../linux/uring/entries.js";
import type { TurnBudget } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { type BulkEvents, BulkReads } from "./bulk-reads.js";
import { BUFFER_GROUP, type RingSet, type RingUnit } from "./ring-set.js";
import { BUFFERS } from "./ring-size.js";
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
/** An idle connection with data in two consecutive periods of this length gets a pending receive; others are polled. */
const PERIOD_MS = 1000;
/** Periods are numbered from 1 to this number. */
const PERIODS = 7;

/**
 * Maximum number of connections per turn that retry a receive that found no buffer. If all retried at once, most would
 * find no buffer again, and their failures would overflow the completion queue turn after turn.
 */
const STARVED_AT_ONCE = BUFFERS / 2;

/** Events reported to the owner of the connections. */
export interface ReceiveEvents {
  /** @returns number of bytes consumed */
  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number;
  /** DATA has been reported. */
  delivered(slot: number): void;
  /**
   * @param errno reason for the end; 0 for the peer's FIN
   */
  ended(slot: number, errno: number): void;
}

export class Receives implements BulkEvents {
  /** See Transport. */
  isHeld = false;
  peeks = false;
  /** The current period, from 1 to PERIODS. */
  private period = 1;
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: ReceiveEvents;
  private readonly readsUnsent: boolean;
  private readonly bulk: BulkReads;
  /** Connections whose next receive is deferred until DATA is wanted again. */
  private held: number[] = [];
  /** Connections whose receive found no buffer. */
  private starved: number[] = [];
  /** Data per slot that cannot be reported yet: DATA was suspended, or the connection is blocked. */
  private readonly early = new Map<number, NativeBuffer>();

  /** @param readsUnsent whether incoming data is reported even while output is still pending */
  constructor(slots: Slots, rings: RingSet, budget: TurnBudget, events: ReceiveEvents, readsUnsent: boolean) {
    this.slots = slots;
    this.rings = rings;
    this.bulk = new BulkReads(slots, rings, budget, this);
    this.events = events;
    this.readsUnsent = readsUnsent;
  }

  /**
   * Waits for data on an ESTABLISHED connection, unless a request is already in flight.
   * @param isThere whether data may be available
   */
  arm(slot: number, isThere: boolean): void {
    const { slots, peeks } = this;
    const bits = slots.get(slot);
    if (!this.mayReceive(bits)) return;
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
    pushReceive(unit.ring, file, isThere ? 0 : RECV.pollFirst, BUFFER_GROUP, peeks ? MSG_PEEK : 0, slot, tag);
  }

  /**
   * Returns whether a receive can be submitted for a connection that has none in flight.
   * @param bits state bits of the connection's slot
   */
  mayReceive(bits: number): boolean {
    return (bits & STATE_MASK) >= SLOT.opened && (bits & (RECEIVING | POLLING)) === 0 && !this.isBlocked(bits);
  }

  /** Sets the arrival time of the data reported next. */
  tick(nowMs: number): void {
    this.period = 1 + (Math.floor(nowMs / PERIOD_MS) % PERIODS);
  }

  /** Marks a connection as idle: its pending receive is cancelled and then replaced by a poll. */
  rest(slot: number): void {
    if ((this.slots.get(slot) & (RECEIVING | SPEAKING)) === RECEIVING) this.cancel(slot);
  }

  /** Suspends reports for this connection until goOn(). */
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
    return this.starved.length > 0 || (!this.isHeld && (this.held.length > 0 || this.bulk.hasMore));
  }

  /** Resumes connections that were suspended, that found no buffer, or that have more data than fits into one. */
  resume(): void {
    if (this.starved.length > 0) this.feed();
    if (this.bulk.hasMore) this.bulk.read();
    if (this.held.length === 0 || this.isHeld) return;
    const { held } = this;
    this.held = [];
    for (const slot of held) {
      if (this.slots.state(slot) < SLOT.opened) continue;
      // Report the data one connection at a time, because the handler may suspend DATA after the first.
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
      const { buffers } = unit;
      if (result > 0) this.take(slot, bits, buffers.memory, buffers.offsetOf(id), result, result === buffers.size);
      buffers.giveBack(id);
      if (result > 0) return;
    }
    if (result === -ENOBUFS) this.starved.push(slot);
    else this.stopped(slot, bits, result);
  }

  bulkRead(slot: number, isPeeked: boolean, bytes: NativeBuffer, offset: number, result: number): void {
    const bits = this.slots.get(slot) | (isPeeked ? PEEKING : 0);
    if (result > 0) this.take(slot, bits, bytes, offset, result, result === this.bulk.readBytes);
    else this.stopped(slot, bits, result);
  }

  /** Handles a receive that brought no data. */
  private stopped(slot: number, bits: number, result: number): void {
    if (result === -ECANCELED || result === -EAGAIN) this.arm(slot, false);
    else if (result < 0) this.events.ended(slot, -result);
    else this.events.ended(slot, (bits & WAS_RESET) !== 0 ? ECONNRESET : 0);
  }

  private feed(): void {
    for (const slot of this.starved.splice(0, STARVED_AT_ONCE)) {
      if (this.slots.state(slot) >= SLOT.opened) this.arm(slot, true);
    }
  }

  /** @param hasMore whether there may be more data */
  private take(
    slot: number,
    bits: number,
    bytes: NativeBuffer,
    offset: number,
    length: number,
    hasMore: boolean,
  ): void {
    if (!this.isHeld && !this.isBlocked(bits)) {
      this.deliver(slot, bits, bytes, offset, length, hasMore);
      return;
    }
    // Peeked data stays in the receive queue.
    if ((bits & PEEKING) === 0) this.keep(slot, bytes, offset, length);
    this.slots.remove(slot, PEEKING);
    if (this.isHeld) this.held.push(slot);
  }

  private keep(slot: number, { bytes }: NativeBuffer, offset: number, length: number): void {
    this.early.set(slot, NativeBuffer.from(bytes.subarray(offset, offset + length)));
  }

  private tellEarly(slot: number): boolean {
    const bytes = this.early.get(slot);
    if (!bytes) return false;
    this.early.delete(slot);
    this.deliver(slot, this.slots.get(slot), bytes, 0, bytes.bytes.length, false);
    return true;
  }

  private deliver(
    slot: number,
    bits: number,
    bytes: NativeBuffer,
    offset: number,
    length: number,
    hasMore: boolean,
  ): void {
    const { slots, events } = this;
    if ((bits & STATE_MASK) === SLOT.resting) slots.set(slot, this.heard(bits));
    const used = events.received(slot, bytes, offset, length);
    if (slots.state(slot) === SLOT.free) return;
    if ((bits & PEEKING) !== 0) this.takeUsed(slot, bytes.address, used);
    // This receive was already in flight when peeking began.
    else if (used < length) this.keep(slot, bytes, offset + used, length - used);
    events.delivered(slot);
    if (slots.state(slot) === SLOT.free) return;
    if (hasMore && !this.isBlocked(slots.get(slot))) this.bulk.add(slot);
    else this.arm(slot, (bits & WAS_RESET) !== 0 || ((bits & PEEKING) !== 0 && used < length));
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
