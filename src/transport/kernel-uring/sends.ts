// What connections send: copied at once, in the ring one after the other, so that nothing overtakes what waits for the peer to read.
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { pushSend } from "../../linux/uring/entries.js";
import type { TransportHandler } from "../contract.js";
import { SLOT } from "../slot-state.js";
import type { RingSet } from "./ring-set.js";
import { SendBuffers } from "./send-buffers.js";
import { CLOSES_SENT, SENDING, type Slots, SPEAKING, STATE_MASK } from "./slots.js";
import { TAG, tagWith } from "./tags.js";

/** The kernel goes on by itself until all of it is sent. */
const MSG_WAITALL = 0x100;

export class Sends {
  private readonly slots: Slots;
  private readonly rings: RingSet;
  private readonly handler: TransportHandler;
  private readonly buffers = new SendBuffers();
  /** The last buffer of a connection that sends. By slot, up to the highest that has sent. */
  private last = new Uint16Array(0);
  /** Connections to be told when there is a buffer. */
  private waiting: number[] = [];

  constructor(slots: Slots, rings: RingSet, handler: TransportHandler) {
    this.slots = slots;
    this.rings = rings;
    this.handler = handler;
  }

  /** @returns 0 or a negative errno */
  begin(): number {
    return this.buffers.begin();
  }

  /** @returns how many bytes were taken: see Transport.send() */
  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const { slots, buffers } = this;
    const before = (slots.get(slot) & SENDING) !== 0 ? this.last[slot]! : -1;
    const number = buffers.fill(bytes.bytes, offset, length, before);
    if (number < 0) {
      if (before < 0) this.waiting.push(slot);
      return 0;
    }
    if (slot >= this.last.length) this.grow(slot);
    this.last[slot] = number;
    const taken = buffers.left[number]!;
    if (before < 0) {
      slots.add(slot, SENDING | SPEAKING);
      this.push(slot, number);
    }
    return taken;
  }

  /**
   * A send of buffer `number` has completed.
   *
   * @returns whether nothing of this connection is on its way any more: the caller takes SENDING away
   */
  ended(slot: number, number: number, result: number): boolean {
    const { buffers } = this;
    if (result <= 0 || (this.slots.get(slot) & (STATE_MASK | CLOSES_SENT)) === 0) {
      buffers.giveBackAll(number);
      return true;
    }
    const next = buffers.took(number, result) > 0 ? number : buffers.giveBack(number);
    if (next < 0) return true;
    this.push(slot, next);
    return false;
  }

  /** Tells those for which there was no buffer that there may be one. */
  tellWaiting(): void {
    if (this.waiting.length === 0) return;
    const { waiting } = this;
    this.waiting = [];
    for (const slot of waiting) {
      if (this.slots.state(slot) >= SLOT.opened) this.handler.sent(slot);
    }
  }

  release(): void {
    this.buffers.release();
  }

  private push(slot: number, number: number): void {
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const address = this.buffers.addressOf(number);
    const left = this.buffers.left[number]!;
    pushSend(unit.ring, slot - unit.firstSlot, address, left, MSG_WAITALL, 0, slot, tagWith(TAG.send, number));
  }

  private grow(slot: number): void {
    const last = new Uint16Array(Math.max(slot + 1, this.last.length * 2));
    last.set(this.last);
    this.last = last;
  }
}
