// What comes over connections. One at rest is polled, which takes the least of the kernel's memory; one that speaks is received from,
// into buffers that its ring provides.
import { EPOLLIN, EPOLLRDHUP, MSG_PEEK } from "../../linux/syscalls/constants.js";
import { ECANCELED, ECONNRESET, ENOBUFS } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushDiscard, pushPoll, pushReceive } from "../../linux/uring/entries.js";
import type { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { SLOT } from "../slot-state.js";
import { FIRST_LARGE, LARGE_GROUP, type RingSet, type RingUnit, SMALL_GROUP } from "./ring-set.js";
import { PEEKING, POLLING, RECEIVING, type Slots, SPEAKING, STATE_MASK, UNSENT, WAS_RESET } from "./slots.js";
import { TAG, tagOf } from "./tags.js";

const AT_REST = EPOLLIN | EPOLLRDHUP;

/** What the connections' owner is told of what comes. */
export interface ReceiveEvents {
  /** @returns how many bytes are used */
  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number;
  /** DATA was told. */
  delivered(slot: number): void;
  /** @param errno 0 for the peer's FIN */
  ended(slot: number, errno: number): void;
}

export class Receives {
  /** See Transport. */
  isHeld = false;
  peeks = false;
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: ReceiveEvents;
  private readonly readsUnsent: boolean;
  /** Connections whose next receive waits until DATA is wanted again. */
  private held: number[] = [];
  /** What had come already when DATA was no more wanted, or when its connection was blocked. By slot. */
  private readonly early = new Map<number, NativeBuffer>();

  /** @param readsUnsent what comes in is told while a part of what was sent is still on its way */
  constructor(slots: Slots, rings: RingSet, events: ReceiveEvents, readsUnsent: boolean) {
    this.slots = slots;
    this.rings = rings;
    this.events = events;
    this.readsUnsent = readsUnsent;
  }

  /** Waits for what comes over an ESTABLISHED connection, unless something does already. @param isThere there may be more to read */
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

  /** A connection is at rest from now on: a poll takes the place of a receive that waits, when that has ended. */
  rest(slot: number): void {
    if ((this.slots.get(slot) & (RECEIVING | SPEAKING)) === RECEIVING) this.cancel(slot);
  }

  /** Nothing more is told of this connection until goOn(). */
  block(slot: number): void {
    const bits = this.slots.get(slot);
    if (this.isBlocked(bits) && (bits & RECEIVING) !== 0) this.cancel(slot);
  }

  /** What a connection had to send is gone. */
  goOn(slot: number): void {
    const bits = this.slots.get(slot);
    if (this.readsUnsent || (bits & STATE_MASK) < SLOT.opened || this.isBlocked(bits)) return;
    if (!this.tellEarly(slot)) this.arm(slot, false);
  }

  /** Whether something is to be told in the next turn in any case. */
  get hasMore(): boolean {
    return this.held.length > 0 && !this.isHeld;
  }

  /** Goes on with what was held back. */
  resume(): void {
    if (!this.hasMore) return;
    const { held } = this;
    this.held = [];
    for (const slot of held) {
      if (this.slots.state(slot) < SLOT.opened) continue;
      // Told one after the other: the first may be all that is wanted for now.
      if (this.isHeld) this.held.push(slot);
      else if (!this.tellEarly(slot)) this.arm(slot, false);
    }
  }

  /** Its connection has ended. */
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
    // Only looked at: it will be there again.
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

  /** @param isFull there may be more */
  private deliver(
    slot: number,
    bits: number,
    bytes: NativeBuffer,
    offset: number,
    length: number,
    isFull: boolean,
  ): void {
    const { slots, events } = this;
    if ((bits & STATE_MASK) === SLOT.resting) slots.add(slot, SPEAKING);
    const used = events.received(slot, bytes, offset, length);
    if (slots.state(slot) === SLOT.free) return;
    if ((bits & PEEKING) !== 0) this.takeUsed(slot, bytes.address, used);
    events.delivered(slot);
    if (slots.state(slot) === SLOT.free) return;
    const isFlood = isFull && this.rings.largeBuffers(this.rings.unitOf(slot)) !== undefined;
    const isThere = isFull || (bits & WAS_RESET) !== 0 || ((bits & PEEKING) !== 0 && used < length);
    this.arm(slot, isThere, isFlood ? LARGE_GROUP : SMALL_GROUP);
  }

  /** Takes out what was looked at and used: the rest stays with the peer. */
  private takeUsed(slot: number, address: number, used: number): void {
    this.slots.remove(slot, PEEKING);
    if (used === 0) return;
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    pushDiscard(unit.ring, slot - unit.firstSlot, address, used, slot, TAG.ignored);
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
