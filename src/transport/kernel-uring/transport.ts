// What both roles' transports over io_uring have in common: the connections of one worker, their turn, what comes in, what goes out.
// Whatever a connection needs is written as entries; one call a turn hands them over and brings what has come of those before.
import { EPOLLIN, EPOLLRDHUP, MSG_PEEK } from "../../linux/syscalls/constants.js";
import { ECANCELED, ECONNRESET, ENOBUFS } from "../../linux/syscalls/errno.js";
import { drain } from "../../linux/syscalls/eventfd.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, endsOf } from "../../linux/syscalls/socket.js";
import { bufferOf, CQE_FLAG, RECV, SQE_FLAG } from "../../linux/uring/abi.js";
import { pushCancel, pushDiscard, pushInstall, pushPoll, pushReceive } from "../../linux/uring/entries.js";
import type { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { endConnection, endRing } from "./endings.js";
import { enterFailed, FIRST_LARGE, LARGE_GROUP, RingSet, type RingUnit, SMALL_GROUP } from "./ring-set.js";
import { Sends } from "./sends.js";
import {
  CLOSES_SENT,
  CLOSING,
  PEEKING,
  POLLING,
  RECEIVING,
  SENDING,
  Slots,
  SPEAKING,
  STATE_MASK,
  UNDER_WAY,
  WAS_RESET,
} from "./slots.js";
import { kindOf, numberOf, TAG } from "./tags.js";

const AT_REST = EPOLLIN | EPOLLRDHUP;

export interface UringTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  readonly wakeFd: number;
  readonly slots: number;
  /** Files of each ring. */
  readonly filesEach: number;
  /** What comes in is told while a part of what was sent is still on its way. */
  readonly readsUnsent: boolean;
}

export abstract class UringTransport implements Transport {
  isHeld = false;
  peeks = false;
  protected readonly slots: Slots;
  protected readonly rings: RingSet;
  private readonly handler: TransportHandler;
  private readonly sendBytes: number;
  private readonly wakeFd: number;
  private readonly readsUnsent: boolean;
  private readonly sends: Sends;
  /** Connections whose next receive waits until DATA is wanted again. */
  private held: number[] = [];
  /** What had come already when DATA was no more wanted. */
  private heldData: { readonly slot: number; readonly id: number; readonly length: number }[] = [];
  /** What had come when a connection began to send: told when that is done. By slot. */
  private readonly unread = new Map<number, { readonly id: number; readonly length: number }>();
  private isClosed = false;

  constructor({ handler, budget, wakeFd, slots, filesEach, readsUnsent }: UringTransportOptions) {
    this.handler = handler;
    this.sendBytes = budget.sendBytes;
    this.wakeFd = wakeFd;
    this.readsUnsent = readsUnsent;
    this.slots = new Slots(slots);
    this.rings = new RingSet(filesEach, wakeFd, budget.readBytes);
    this.sends = new Sends(this.slots, this.rings, handler);
  }

  /** @returns 0 or a negative errno, for which this transport cannot work */
  begin(): number {
    return this.rings.add() || this.sends.begin();
  }

  get end(): number {
    return this.slots.end;
  }

  state(slot: number): number {
    return this.slots.state(slot);
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    return this.sends.send(slot, bytes, offset, Math.min(length, this.sendBytes));
  }

  rest(slot: number): void {
    const { slots } = this;
    const bits = slots.get(slot);
    slots.add(slot, SLOT.resting);
    if ((bits & (RECEIVING | SPEAKING)) !== RECEIVING) return;
    // A poll takes less of the kernel's memory than a receive: it takes its place when that has ended.
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    pushCancel(unit.ring, slot, TAG.receive, SQE_FLAG.skipSuccess, slot, TAG.ignored);
  }

  close(slot: number): void {
    this.finish(slot, false);
  }

  reset(slot: number): void {
    this.finish(slot, true);
  }

  turn(waitMs: number): void {
    const { rings, slots } = this;
    const { units, main } = rings;
    if (!this.isHeld && this.held.length > 0) this.armHeld();
    let isIdle = !this.hasMore && main.ring.ready === 0 && (this.isHeld || this.heldData.length === 0);
    for (let n = 0; n < units.length - 1; n++) {
      const { ring } = units[n]!;
      // Work that an enter has left over does not wake the ring that polls this one.
      if (ring.pending > 0 || ring.hasWork) this.enter(units[n]!, 0, 0);
      if (ring.ready > 0 || ring.hasWork) isIdle = false;
    }
    if (!isIdle || waitMs === 0) this.enter(main, 0, 0);
    else this.enter(main, 1, waitMs === Number.POSITIVE_INFINITY ? -1 : waitMs);
    this.handler.awake(performance.now());
    this.drain(main);
    for (let n = 0; n < units.length - 1; n++) this.drainOther(units[n]!);
    if (!this.isHeld && this.heldData.length > 0) this.deliverHeld();
    this.finishTurn();
    slots.recycle();
  }

  addresses(slot: number): ConnectionAddresses | number {
    const fd = this.descriptorFor(slot);
    if (fd < 0) return fd;
    const ends = endsOf(fd);
    closeFd(fd);
    return ends;
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    for (const unit of this.rings.units) {
      if (this.isClosed || isAborted()) break;
      endRing(this.rings, this.slots, unit, resets, isAborted);
    }
    this.dispose();
  }

  dispose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.rings.close();
    this.sends.release();
  }

  /** What a role's own entries have come to. @param tag of the completion */
  protected abstract complete(unit: RingUnit, slot: number, tag: number, result: number, flags: number): void;
  /** Whether something is to be told in the next turn in any case. */
  protected abstract get hasMore(): boolean;
  /** Tells what has waited for the end of a turn. */
  protected abstract finishTurn(): void;
  /** DATA was told. */
  protected abstract delivered(slot: number): void;

  /** Waits for what comes over an ESTABLISHED connection, unless something does already. @param isThere there may be more to read */
  protected arm(slot: number, isThere: boolean, group = SMALL_GROUP): void {
    const bits = this.slots.get(slot);
    if ((bits & (RECEIVING | POLLING)) !== 0 || ((bits & SENDING) !== 0 && !this.readsUnsent)) return;
    if (this.isHeld) {
      this.held.push(slot);
      return;
    }
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    const file = slot - unit.firstSlot;
    if (!isThere && (bits & (STATE_MASK | SPEAKING)) === SLOT.resting) {
      this.slots.add(slot, POLLING);
      pushPoll(unit.ring, file, AT_REST, 0, slot, TAG.poll);
    } else {
      this.slots.add(slot, this.peeks ? RECEIVING | PEEKING : RECEIVING);
      const flags = this.peeks ? MSG_PEEK : 0;
      pushReceive(unit.ring, file, isThere ? 0 : RECV.pollFirst, group, flags, slot, TAG.receive);
    }
  }

  /** The peer or the network ended an ESTABLISHED connection. @param errno 0 for the peer's FIN */
  protected ended(slot: number, errno: number): void {
    if (errno === 0) this.handler.closed(slot);
    else this.handler.failed(slot, STEP.hold, errno, false);
    if (this.slots.state(slot) !== SLOT.free) this.close(slot);
  }

  /** A descriptor for a connection, to be closed by the caller; or a negative errno. Takes a call of its own. */
  protected descriptorFor(slot: number): number {
    const unit = this.rings.unitOf(slot);
    const { ring } = unit;
    this.rings.reserve(unit, 1);
    pushInstall(ring, slot - unit.firstSlot, slot, TAG.install);
    const before = ring.ready;
    this.enter(unit, 0, 0);
    for (let i = before; i < ring.ready; i++) {
      if (ring.slotAt(i) === slot && ring.tagAt(i) === TAG.install) return ring.resultAt(i);
    }
    return -ECANCELED;
  }

  private enter(unit: RingUnit, least: number, waitMs: number): void {
    const failed = unit.ring.enter(least, waitMs);
    // Entries that were not taken stay: short memory passes, and a ring that takes nothing is noticed when it is full.
    if (failed < 0 && unit.ring.room === 0) throw enterFailed(failed);
  }

  private drainOther(unit: RingUnit): void {
    if (unit.isSignalled) this.enter(unit, 0, 0);
    if (unit.ring.ready > 0) this.drain(unit);
    if (!unit.isSignalled) return;
    unit.isSignalled = false;
    this.rings.watch(unit);
  }

  private drain(unit: RingUnit): void {
    const { ring, small } = unit;
    // Calls of the handler may enter the ring, which brings more: that waits for the next turn.
    const count = ring.ready;
    for (let i = 0; i < count; i++) {
      const slot = ring.slotAt(i);
      const tag = ring.tagAt(i);
      const result = ring.resultAt(i);
      switch (kindOf(tag)) {
        case TAG.receive:
          this.receiveEnded(unit, slot, result, ring.flagsAt(i));
          break;
        case TAG.poll:
          if ((this.slots.remove(slot, POLLING) & STATE_MASK) !== SLOT.free) this.arm(slot, result !== -ECANCELED);
          break;
        case TAG.send:
          this.sendEnded(slot, numberOf(tag), result);
          break;
        case TAG.close:
          this.slots.remove(slot, CLOSING);
          break;
        case TAG.wakeUp:
          if (result > 0) drain(this.wakeFd);
          if (result > 0 && unit === this.rings.main) this.rings.watchWakeUp();
          break;
        case TAG.ring:
          if (result > 0 && unit === this.rings.main) this.rings.units[slot]!.isSignalled = true;
          break;
        case TAG.ignored:
        case TAG.install:
          break;
        default:
          this.complete(unit, slot, tag, result, ring.flagsAt(i));
      }
    }
    ring.advance(count);
    small.publish();
    unit.large?.publish();
  }

  private receiveEnded(unit: RingUnit, slot: number, result: number, flags: number): void {
    const bits = this.slots.remove(slot, RECEIVING);
    const isLive = (bits & STATE_MASK) !== SLOT.free;
    if ((flags & CQE_FLAG.buffer) !== 0) {
      const id = bufferOf(flags);
      const isUnsent = (bits & SENDING) !== 0 && !this.readsUnsent;
      if (isLive && result > 0 && isUnsent) this.unread.set(slot, { id, length: result });
      else if (isLive && result > 0 && this.isHeld) this.heldData.push({ slot, id, length: result });
      else if (isLive && result > 0) this.deliver(unit, slot, id, result);
      else buffersOf(unit, id).giveBack(id);
      if (result > 0) return;
    }
    if (!isLive) return;
    if (result === -ECANCELED || result === -ENOBUFS) this.arm(slot, result === -ENOBUFS);
    else if (result < 0) this.ended(slot, -result);
    else this.ended(slot, (bits & WAS_RESET) !== 0 ? ECONNRESET : 0);
  }

  private deliver(unit: RingUnit, slot: number, id: number, length: number): void {
    const { slots } = this;
    const buffers = buffersOf(unit, id);
    const used = this.handler.received(slot, buffers.memory, buffers.offsetOf(id), length);
    buffers.giveBack(id);
    if ((slots.get(slot) & PEEKING) !== 0) this.takeUsed(unit, slot, buffers.memory.address, used);
    if (slots.state(slot) !== SLOT.free) this.delivered(slot);
    if (slots.state(slot) === SLOT.free) return;
    const isFull = length === buffers.size;
    const isFlood = isFull && this.rings.largeBuffers(unit) !== undefined;
    this.arm(slot, isFull || (slots.get(slot) & WAS_RESET) !== 0, isFlood ? LARGE_GROUP : SMALL_GROUP);
  }

  /** Takes out what was looked at and used: the rest stays with the peer. */
  private takeUsed(unit: RingUnit, slot: number, address: number, used: number): void {
    const bits = this.slots.get(slot);
    this.slots.set(slot, bits & ~PEEKING);
    if (used === 0 || (bits & STATE_MASK) === SLOT.free) return;
    this.rings.reserve(unit, 1);
    pushDiscard(unit.ring, slot - unit.firstSlot, address, used, slot, TAG.ignored);
  }

  private sendEnded(slot: number, number: number, result: number): void {
    const { slots, sends } = this;
    if (sends.ended(slot, number, result)) {
      const bits = slots.get(slot);
      if ((bits & CLOSES_SENT) !== 0) {
        slots.set(slot, bits & ~(SENDING | CLOSES_SENT));
        endConnection(this.rings, slots, slot, false);
      } else slots.remove(slot, SENDING);
      // What has ended the connection is told by what waits for bytes: there may be some to read before.
      if (result > 0 && (bits & STATE_MASK) !== SLOT.free) this.handler.sent(slot);
      if (!this.readsUnsent) this.readOn(slot);
    }
    sends.tellWaiting();
  }

  /** What a connection had to send is gone: it reads again. */
  private readOn(slot: number): void {
    const bits = this.slots.get(slot);
    if ((bits & STATE_MASK) < SLOT.opened || (bits & SENDING) !== 0) return;
    const data = this.unread.get(slot);
    if (!data) {
      this.arm(slot, false);
      return;
    }
    this.unread.delete(slot);
    this.deliver(this.rings.unitOf(slot), slot, data.id, data.length);
  }

  private armHeld(): void {
    const { held } = this;
    this.held = [];
    for (const slot of held) {
      if (this.slots.state(slot) >= SLOT.opened) this.arm(slot, false);
    }
  }

  private deliverHeld(): void {
    const { heldData } = this;
    this.heldData = [];
    for (const data of heldData) {
      const unit = this.rings.unitOf(data.slot);
      const buffers = buffersOf(unit, data.id);
      if (this.slots.state(data.slot) < SLOT.opened) buffers.giveBack(data.id);
      // Told one after the other: the first may be all that is wanted for now.
      else if (this.isHeld) this.heldData.push(data);
      else this.deliver(unit, data.slot, data.id, data.length);
      buffers.publish();
    }
  }

  private finish(slot: number, resets: boolean): void {
    if (slot >= this.rings.capacity) {
      this.slots.dropLast();
      return;
    }
    const bits = this.slots.get(slot);
    const data = this.unread.size > 0 ? this.unread.get(slot) : undefined;
    if (data) buffersOf(this.rings.unitOf(slot), data.id).giveBack(data.id);
    if (data) this.unread.delete(slot);
    this.slots.set(slot, (bits & UNDER_WAY) | SLOT.free);
    // What was given to send() is on its way, and goes before the end.
    if (!resets && (bits & SENDING) !== 0) this.slots.add(slot, CLOSES_SENT);
    else endConnection(this.rings, this.slots, slot, resets);
  }
}

function buffersOf(unit: RingUnit, id: number): ProvidedBuffers {
  return id < FIRST_LARGE ? unit.small : unit.large!;
}
