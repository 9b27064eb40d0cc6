// Sends data of connections. Small sends are submitted with the turn's other entries, and post a completion only if
// the kernel did not accept all of the data. Large sends are submitted immediately because the caller needs to know
// how much was accepted.
import { EPOLLOUT, MSG_DONTWAIT, MSG_WAITALL } from "../../linux/syscalls/constants.js";
import { EAGAIN, ECANCELED, ECONNRESET, EPIPE } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushPoll, pushSend } from "../../linux/uring/entries.js";
import { SLOT } from "../slot-state.js";
import { endConnection } from "./endings.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { SEND_BYTES, SendBuffers } from "./send-buffers.js";
import { CLAMPED, CLOSES_SENT, QUEUED, RETAINED, type Slots, STATE_MASK, UNSENT, WAITING } from "./slots.js";
import { kindOf, numberOf, TAG, tagOf, tagWith } from "./tags.js";

/** Flags with which a send either sends everything or posts a completion (IOSQE_CQE_SKIP_SUCCESS). */
const AT_ONCE = MSG_DONTWAIT | MSG_WAITALL;

/** Events reported to the owner of the connections. */
export interface SendEvents {
  /** Called when a connection can send again. */
  sent(slot: number): void;
  /** Called when the kernel failed to send data that it was given. */
  sendFailed(slot: number, errno: number): void;
  /** Suspends reports for this connection until its output has been sent. */
  blocked(slot: number): void;
  /** Called when a connection that was closed with pending output has sent it, and its file has been closed. */
  closedSent(slot: number): void;
}

export class Sends {
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: SendEvents;
  private readonly buffers = new SendBuffers();
  /** Buffers for sends that are submitted together. */
  private batch: number[] = [];
  /** Connections that continue in the next turn, and those whose sends have failed. */
  private clamped: number[] = [];
  private failed: { readonly slot: number; readonly life: number; readonly errno: number }[] = [];
  /**
   * True if a connection must be closed once its queued send has left. Do not block: a successful send posts no
   * completion that would end the wait.
   */
  private isClosing = false;
  /** Buffers of RETAINED connections, by slot. */
  private readonly retained = new Map<number, number>();

  constructor(slots: Slots, rings: RingSet, events: SendEvents) {
    this.slots = slots;
    this.rings = rings;
    this.events = events;
  }

  /** @returns 0 or a negative errno */
  begin(): number {
    return this.buffers.begin();
  }

  /** Whether the next turn has work without waiting. */
  get hasMore(): boolean {
    return this.clamped.length > 0 || this.failed.length > 0 || this.isClosing;
  }

  /** Whether data accepted by send() has not left yet. */
  get hasRest(): boolean {
    return this.batch.length > 0 || this.retained.size > 0;
  }

  /**
   * @param limit the connection's share
   * @returns bytes accepted or a negative errno, like Transport.send()
   */
  send(slot: number, bytes: NativeBuffer, offset: number, length: number, limit: number): number {
    const { slots } = this;
    const bits = slots.get(slot);
    if ((bits & UNSENT) !== 0) return 0;
    if (length <= SEND_BYTES && (bits & QUEUED) === 0) {
      const number = this.buffers.fill(slot, bytes.bytes, offset, length);
      if (number >= 0) {
        this.queue(slot, number);
        return length;
      }
    }
    return this.sendNow(slot, bytes, offset, length, limit);
  }

  /** Checks the outcome of submitted sends. Call this after all rings have been entered. */
  settle(): void {
    const { batch, slots, buffers, rings } = this;
    if (batch.length === 0) return;
    for (const unit of rings.units) this.findShort(unit);
    // Outcomes may be among the completions that are waiting for room.
    if (rings.hasOverflow) return;
    this.batch = [];
    this.isClosing = false;
    for (const number of batch) {
      const slot = buffers.slots[number]!;
      if (this.retained.get(slot) !== number) buffers.giveBack(number);
      const bits = slots.get(slot);
      if ((bits & QUEUED) === 0) continue;
      if ((bits & (CLOSES_SENT | RETAINED)) === CLOSES_SENT) this.close(slot);
      slots.remove(slot, QUEUED);
    }
  }

  /** Reports connections that can continue and those that have failed. */
  tell(): void {
    if (this.failed.length > 0) this.tellFailed();
    if (this.clamped.length === 0) return;
    const { clamped, slots } = this;
    this.clamped = [];
    for (const slot of clamped) {
      const bits = slots.get(slot);
      if ((bits & CLAMPED) === 0) continue;
      slots.remove(slot, CLAMPED);
      if ((bits & STATE_MASK) >= SLOT.opened) this.events.sent(slot);
    }
  }

  /** Handles a connection becoming writable. */
  writable(slot: number): void {
    this.slots.remove(slot, WAITING);
    this.events.sent(slot);
  }

  /** Handles completion of the remainder of a send. */
  restEnded(slot: number, number: number, result: number): void {
    const { slots, buffers, retained } = this;
    if (retained.get(slot) !== number) {
      buffers.giveBack(number);
      return;
    }
    const isFree = slots.state(slot) === SLOT.free;
    if (result > 0 && buffers.took(number, result) > 0) {
      this.pushRest(slot, number);
      return;
    }
    buffers.giveBack(number);
    retained.delete(slot);
    if (isFree) this.close(slot);
    slots.remove(slot, RETAINED);
    if (isFree) return;
    if (result > 0) this.events.sent(slot);
    else if (result !== -ECANCELED) this.fail(slot, -result);
  }

  /**
   * Closes a connection once everything passed to send() has left.
   * @param bits state bits of the connection's slot
   */
  closeSent(slot: number, bits: number): void {
    this.slots.set(slot, (bits & ~STATE_MASK) | CLOSES_SENT);
    this.isClosing ||= (bits & QUEUED) !== 0;
  }

  /** Discards pending output of a connection that is being reset. */
  drop(slot: number): void {
    this.retained.delete(slot);
  }

  release(): void {
    this.buffers.release();
  }

  private queue(slot: number, number: number): void {
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const { buffers } = this;
    const [address, length, tag] = [buffers.addressOf(number), buffers.left[number]!, tagWith(TAG.send, number)];
    pushSend(unit.ring, slot - unit.firstSlot, address, length, AT_ONCE, SQE_FLAG.skipSuccess, slot, tag);
    this.slots.add(slot, QUEUED);
    this.batch.push(number);
  }

  private sendNow(slot: number, bytes: NativeBuffer, offset: number, length: number, limit: number): number {
    const { slots, rings } = this;
    if ((slots.get(slot) & QUEUED) !== 0) this.flush();
    if ((slots.get(slot) & UNSENT) !== 0) return 0;
    const unit = rings.unitOf(slot);
    const { ring } = unit;
    rings.reserve(unit, 1);
    // The result must be available before this method returns.
    if ((slots.get(slot) & QUEUED) !== 0 || ring.hasOverflow || ring.completionRoom <= ring.pending) {
      this.clamp(slot);
      return 0;
    }
    const wanted = Math.min(length, limit);
    pushSend(ring, slot - unit.firstSlot, bytes.address + offset, wanted, MSG_DONTWAIT, 0, slot, TAG.sendNow);
    const sent = rings.answerOf(unit, slot, TAG.sendNow);
    if (sent === length || (sent < 0 && sent !== -EAGAIN)) return sent;
    if (sent === wanted) this.clamp(slot);
    else this.wait(slot);
    return Math.max(0, sent);
  }

  /** Submits queued sends and checks their outcome. */
  private flush(): void {
    for (const unit of this.rings.units) {
      if (unit.ring.pending > 0) this.rings.submit(unit);
    }
    this.settle();
  }

  private findShort({ ring }: RingUnit): void {
    for (let i = 0; i < ring.ready; i++) {
      const tag = ring.tagAt(i);
      if (kindOf(tag) !== TAG.send) continue;
      ring.retag(i, TAG.ignored);
      this.fellShort(ring.slotAt(i), numberOf(tag), ring.resultAt(i));
    }
  }

  private fellShort(slot: number, number: number, result: number): void {
    const { slots, buffers } = this;
    const bits = slots.get(slot);
    // The connection may have been reset in the meantime.
    if ((bits & QUEUED) === 0 || ((bits & STATE_MASK) === SLOT.free && (bits & CLOSES_SENT) === 0)) return;
    if (result < 0 && result !== -EAGAIN) {
      this.fail(slot, -result);
      return;
    }
    buffers.took(number, Math.max(0, result));
    slots.add(slot, RETAINED);
    this.retained.set(slot, number);
    this.pushRest(slot, number);
    if ((bits & STATE_MASK) !== SLOT.free) this.events.blocked(slot);
  }

  /** Sends the remainder. The kernel retries until all of the data has been sent. */
  private pushRest(slot: number, number: number): void {
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const { buffers } = this;
    const tag = tagWith(TAG.rest, number);
    const file = slot - unit.firstSlot;
    pushSend(unit.ring, file, buffers.addressOf(number), buffers.left[number]!, MSG_WAITALL, 0, slot, tag);
  }

  private wait(slot: number): void {
    const { slots, rings } = this;
    const unit = rings.unitOf(slot);
    rings.reserve(unit, 1);
    slots.add(slot, WAITING);
    pushPoll(unit.ring, slot - unit.firstSlot, EPOLLOUT, 0, slot, tagOf(TAG.writable, slots.life(slot)));
  }

  private clamp(slot: number): void {
    this.slots.add(slot, CLAMPED);
    this.clamped.push(slot);
  }

  /** The receive reports what ended the connection, because unread data may precede the end. */
  private fail(slot: number, errno: number): void {
    if (errno === EPIPE || errno === ECONNRESET || this.slots.state(slot) === SLOT.free) return;
    this.failed.push({ slot, life: this.slots.life(slot), errno });
  }

  private tellFailed(): void {
    const { failed, slots } = this;
    this.failed = [];
    for (const { slot, life, errno } of failed) {
      if (slots.state(slot) !== SLOT.free && slots.life(slot) === life) this.events.sendFailed(slot, errno);
    }
  }

  private close(slot: number): void {
    const { slots } = this;
    endConnection(this.rings, slots, slot, false);
    slots.beginLife(slot);
    slots.set(slot, slots.get(slot) & (QUEUED | RETAINED));
    this.events.closedSent(slot);
  }
}
