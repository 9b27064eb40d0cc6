// Base class of both io_uring transports: manages one worker's connections and runs its turns. Operations are written
// as submission queue entries; one call per turn submits them and returns completions of earlier ones.
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { closeFd, endsOf } from "../../linux/syscalls/socket.js";
import { bufferOf, CQE, CQE_FLAG } from "../../linux/uring/abi.js";
import { pushInstall } from "../../linux/uring/entries.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { endConnection, endRing } from "./endings.js";
import { sendRest } from "./last-sends.js";
import { Receives } from "./receives.js";
import { RingSet, type RingUnit } from "./ring-set.js";
import { COMPLETIONS } from "./ring-size.js";
import { Sends } from "./sends.js";
import { CONNECTING, QUEUED, RETAINED, Slots } from "./slots.js";
import { kindOf, lifeOf, numberOf, TAG } from "./tags.js";

export interface UringTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  readonly wakeFd: number;
  readonly slots: number;
  /** Whether this class allocates slots; otherwise, the kernel chooses them. */
  readonly dealsSlots: boolean;
  /** Number of files in each ring. */
  readonly filesEach: number;
  /** Whether incoming data is reported while output is still pending. */
  readonly readsUnsent: boolean;
}

export abstract class UringTransport implements Transport {
  protected readonly slots: Slots;
  protected readonly rings: RingSet;
  protected readonly receives: Receives;
  private readonly sends: Sends;
  private readonly handler: TransportHandler;
  private readonly sendBytes: number;
  /** Completions being handled. */
  private readonly taken = new Int32Array(COMPLETIONS * CQE.words);
  private isEnding = false;
  private isClosed = false;

  constructor({ handler, budget, wakeFd, slots, dealsSlots, filesEach, readsUnsent }: UringTransportOptions) {
    this.handler = handler;
    this.sendBytes = budget.sendBytes;
    this.slots = new Slots(slots, dealsSlots);
    this.rings = new RingSet(filesEach, wakeFd);
    this.receives = new Receives(this.slots, this.rings, budget, this, readsUnsent);
    this.sends = new Sends(this.slots, this.rings, this);
  }

  /** @returns 0, or a negative errno if this transport is unusable */
  begin(): number {
    return this.rings.add() || this.sends.begin();
  }

  get isHeld(): boolean {
    return this.receives.isHeld;
  }

  set isHeld(isHeld: boolean) {
    this.receives.isHeld = isHeld;
  }

  get peeks(): boolean {
    return this.receives.peeks;
  }

  set peeks(peeks: boolean) {
    this.receives.peeks = peeks;
  }

  get end(): number {
    return this.slots.end;
  }

  state(slot: number): number {
    return this.slots.state(slot);
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    return this.sends.send(slot, bytes, offset, length, this.sendBytes);
  }

  rest(slot: number): void {
    this.slots.add(slot, SLOT.resting);
    this.receives.rest(slot);
  }

  close(slot: number): void {
    this.finish(slot, false);
  }

  reset(slot: number): void {
    this.finish(slot, true);
  }

  turn(waitMs: number): void {
    const { rings, slots, sends, receives } = this;
    rings.enter(this.hasMore || sends.hasMore || receives.hasMore ? 0 : waitMs);
    sends.settle();
    const nowMs = performance.now();
    receives.tick(nowMs);
    this.handler.awake(nowMs);
    const { main, units } = rings;
    if (main.ring.ready > 0) this.drain(main);
    if (units.length > 1) this.drainOthers(main);
    receives.resume();
    sends.tell();
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
    const { rings, slots, sends } = this;
    this.isEnding = true;
    if (!resets && !this.isClosed) sendRest(rings, sends, isAborted);
    for (const unit of rings.units) {
      if (this.isClosed || isAborted()) break;
      endRing(rings, slots, unit, resets, isAborted);
    }
    this.dispose();
  }

  dispose(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.rings.close();
    this.sends.release();
  }

  received(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    return this.handler.received(slot, bytes, offset, length);
  }

  /**
   * Handles the end of an ESTABLISHED connection by the peer or the network.
   * @param errno reason for the end; 0 for the peer's FIN
   */
  ended(slot: number, errno: number): void {
    if (errno === 0) this.handler.closed(slot);
    else this.handler.failed(slot, STEP.hold, errno, false);
    if (this.slots.state(slot) !== SLOT.free) this.close(slot);
  }

  sent(slot: number): void {
    if (this.isEnding) return;
    this.handler.sent(slot);
    this.receives.goOn(slot);
  }

  sendFailed(slot: number, errno: number): void {
    this.handler.failed(slot, STEP.send, errno, false);
    if (this.slots.state(slot) !== SLOT.free) this.close(slot);
  }

  blocked(slot: number): void {
    this.receives.block(slot);
  }

  closedSent(slot: number): void {
    this.vacated(slot);
  }

  /** DATA has been reported. */
  abstract delivered(slot: number): void;
  /**
   * Handles completion of a role-specific entry.
   * @param tag the completion's tag
   */
  protected abstract complete(unit: RingUnit, slot: number, tag: number, result: number, flags: number): void;
  /** Whether the next turn has events to report without waiting. */
  protected abstract get hasMore(): boolean;
  /** Reports events deferred to the end of the turn. */
  protected abstract finishTurn(): void;
  /** Called when the file of `slot` has been closed. */
  protected abstract vacated(slot: number): void;

  /** Returns a descriptor for a connection, to be closed by the caller, or a negative errno. Enters the ring. */
  protected descriptorFor(slot: number): number {
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    pushInstall(unit.ring, slot - unit.firstSlot, slot, TAG.install);
    return this.rings.answerOf(unit, slot, TAG.install);
  }

  private drainOthers(main: RingUnit): void {
    for (const unit of this.rings.units) {
      if (unit === main) continue;
      if (unit.ring.hasWork) this.rings.enterOne(unit, 0, 0);
      if (unit.ring.ready > 0) this.drain(unit);
    }
  }

  private drain(unit: RingUnit): void {
    const { slots, rings, receives, sends, taken } = this;
    // Handlers may enter the ring and add completions. Those completions wait for the next turn.
    const end = unit.ring.takeAll(taken) * CQE.words;
    for (let at = 0; at < end && !this.isClosed; at += CQE.words) {
      const slot = taken[at]!;
      const tag = taken[at + CQE.userData + 1]!;
      const kind = kindOf(tag);
      const result = taken[at + CQE.result]!;
      const flags = taken[at + CQE.flags]!;
      if (kind <= TAG.writable) {
        if (kind === TAG.ignored) continue;
        const isOld = slots.life(slot) !== lifeOf(tag) || slots.state(slot) === SLOT.free;
        if (isOld) this.dropLate(unit, slot, kind, flags);
        else if (kind === TAG.receive) receives.receiveEnded(unit, slot, result, flags);
        else if (kind === TAG.poll) receives.pollEnded(slot, result);
        else if (kind === TAG.writable) sends.writable(slot);
        else this.complete(unit, slot, tag, result, 0);
      } else if (kind === TAG.rest) sends.restEnded(slot, numberOf(tag), result);
      else if (kind === TAG.wakeUp) rings.wokenUp(unit, result);
      else if (kind === TAG.install) closeFd(result);
      else if (kind !== TAG.send && kind !== TAG.sendNow && kind !== TAG.readNow)
        this.complete(unit, slot, tag, result, flags);
    }
  }

  /** Handles a late completion for a connection that has ended. */
  private dropLate(unit: RingUnit, slot: number, kind: number, flags: number): void {
    if ((flags & CQE_FLAG.buffer) !== 0) {
      unit.buffers.giveBack(bufferOf(flags));
    }
    // A connection attempt ends with one of these tags.
    if (kind === TAG.bind || kind === TAG.connect || kind === TAG.verify) this.slots.remove(slot, CONNECTING);
  }

  private finish(slot: number, resets: boolean): void {
    const { slots, rings, sends } = this;
    if (slot >= rings.capacity) {
      slots.dropLast();
      return;
    }
    const bits = slots.get(slot);
    this.receives.drop(slot);
    if (!resets && (bits & (QUEUED | RETAINED)) !== 0) {
      // Data passed to send() is still in flight and must precede the FIN.
      sends.closeSent(slot, bits);
      return;
    }
    if ((bits & RETAINED) !== 0) sends.drop(slot);
    endConnection(rings, slots, slot, resets);
    slots.beginLife(slot);
    this.vacated(slot);
    slots.free(slot, bits & (CONNECTING | QUEUED));
  }
}
