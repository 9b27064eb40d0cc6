// What connections send. Small sends leave together with the turn's other entries, and complete only where the kernel does not take
// all of them at once. Large ones are handed over at once, since their caller is to know how much was taken.
import { EPOLLOUT, MSG_DONTWAIT, MSG_WAITALL } from "../../linux/syscalls/constants.js";
import { EAGAIN, ECANCELED, ECONNRESET, EPIPE } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushPoll, pushSend } from "../../linux/uring/entries.js";
import { SLOT } from "../slot-state.js";
import { endConnection } from "./endings.js";
import type { RingSet, RingUnit } from "./ring-set.js";
import { SEND_BYTES, SendBuffers } from "./send-buffers.js";
import { CLAMPED, CLOSES_SENT, QUEUED, RETAINED, type Slots, SPEAKING, STATE_MASK, UNSENT, WAITING } from "./slots.js";
import { kindOf, numberOf, TAG, tagOf, tagWith } from "./tags.js";

/** All of it or an answer: see io_uring's send with IOSQE_CQE_SKIP_SUCCESS. */
const AT_ONCE = MSG_DONTWAIT | MSG_WAITALL;

/** What the connections' owner is told of what they send. */
export interface SendEvents {
  /** A connection can send again. */
  sent(slot: number): void;
  /** The kernel could not send what it was given. */
  sendFailed(slot: number, errno: number): void;
  /** Nothing more is to be told of before this connection's bytes are gone. */
  blocked(slot: number): void;
  /** A connection that was closed while it had bytes to send has sent them, and its file was closed. */
  closedSent(slot: number): void;
}

export class Sends {
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly events: SendEvents;
  private readonly buffers = new SendBuffers();
  /** Buffers of the sends that leave together. */
  private batch: number[] = [];
  /** Connections that go on in the next turn, and those whose sends have failed. */
  private clamped: number[] = [];
  private failed: { readonly slot: number; readonly life: number; readonly errno: number }[] = [];
  /** The buffer of a connection that is RETAINED. */
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

  /** Whether something is to be told in the next turn in any case. */
  get hasMore(): boolean {
    return this.clamped.length > 0 || this.failed.length > 0;
  }

  /** @param limit the connection's share @returns how many bytes were taken, or a negative errno: see Transport.send() */
  send(slot: number, bytes: NativeBuffer, offset: number, length: number, limit: number): number {
    const { slots } = this;
    const bits = slots.get(slot);
    if ((bits & UNSENT) !== 0) return 0;
    if ((bits & STATE_MASK) === SLOT.resting) slots.add(slot, SPEAKING);
    if (length <= SEND_BYTES && (bits & QUEUED) === 0) {
      const number = this.buffers.fill(slot, bytes.bytes, offset, length);
      if (number >= 0) {
        this.queue(slot, number);
        return length;
      }
    }
    return this.sendNow(slot, bytes, offset, length, limit);
  }

  /** Looks at what has become of the sends that have left; to be called when all rings were entered. */
  settle(): void {
    const { batch, slots, buffers, rings } = this;
    if (batch.length === 0 || rings.hasOverflow) return;
    for (const unit of rings.units) this.findShort(unit);
    this.batch = [];
    for (const number of batch) {
      const slot = buffers.slots[number]!;
      if (this.retained.get(slot) !== number) buffers.giveBack(number);
      const bits = slots.get(slot);
      if ((bits & QUEUED) === 0) continue;
      if ((bits & (CLOSES_SENT | RETAINED)) === CLOSES_SENT) this.close(slot);
      slots.remove(slot, QUEUED);
    }
  }

  /** Tells who goes on, and who has failed. */
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

  /** A connection takes more. */
  writable(slot: number): void {
    this.slots.remove(slot, WAITING);
    this.events.sent(slot);
  }

  /** The rest of a send has completed. */
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

  /** Forgets what a connection has left to send: it is reset. */
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
    // Its answer has to be seen before this returns.
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

  /** Hands over what is queued, and sees what becomes of it. */
  private flush(): void {
    for (const unit of this.rings.units) {
      if (unit.ring.pending > 0) unit.ring.submit();
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
    // Reset meanwhile, perhaps.
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

  /** The kernel goes on by itself until all of it is sent. */
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

  /** What has ended the connection is told by what waits for bytes: there may be some to read before. */
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
