// Base class of both transports in user space: runs turns, and passes the stack's events on to the role. What the role
// does not read at once waits in the stack (leftovers).
import { ENETDOWN, EPIPE } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { SLOT } from "../slot-state.js";
import { writeCounts } from "./counts.js";
import type { PacketDevice } from "./devices/device.js";
import { failAll, finishAll, resetAll } from "./ending.js";
import { closeSlot, resetSlot } from "./tcp/closing.js";
import { BLOCKED, FIN_UNTOLD, RESTING, STATE, TCP } from "./tcp/connections.js";
import type { Endpoints } from "./tcp/endpoints.js";
import { receiveWindow } from "./tcp/output.js";
import { enqueue, releaseIfIdle } from "./tcp/sending.js";
import { Stack } from "./tcp/stack.js";
import type { StackEvents } from "./tcp/tcp-state.js";
import { TurnShares } from "./turn-shares.js";

/** Maximum number of packets per turn. */
const PACKETS_AT_ONCE = 512;
/** Maximum wait without a device, after which connections begun since are reported as failed. */
const GONE_WAIT_MS = 20;
/** If the last announced window was smaller than this, the peer is told once there is room again. */
const SMALL_WINDOW = 32 * 1024;

export interface PacketTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  readonly slots: number;
  readonly device: PacketDevice;
  readonly endpoints: Endpoints;
  /** See counts.ts. */
  readonly counts?: SharedArrayBuffer | undefined;
  /** Whether incoming data is reported while output is still pending. */
  readonly readsUnsent: boolean;
  /** Whether ACKs wait for data that carries them; default false. */
  readonly delaysAcks?: boolean | undefined;
}

export abstract class PacketTransport implements Transport, StackEvents {
  isHeld = false;
  peeks = false;
  readonly stack: Stack;
  protected readonly device: PacketDevice;
  private readonly handler: TransportHandler;
  private readonly budget: TurnBudget;
  private readonly readsUnsent: boolean;
  private readonly counts: SharedArrayBuffer | undefined;
  private readonly shares: TurnShares;
  /** Connections with unread bytes that the role can accept. */
  private readonly leftovers = new SlotQueue();
  private readonly scratch: NativeBuffer;
  /** Whether the device had more packets than one turn may handle. */
  private hasMorePackets = false;
  private isReleased = false;
  /** Whether the role hears of nothing any more, because everything is being closed. */
  protected isMuted = false;
  /** Whether the stack's clock is current: from the end of a turn's wait or, between turns, its first use. */
  private isClockSet = false;

  constructor({ handler, budget, slots, device, endpoints, counts, readsUnsent, delaysAcks }: PacketTransportOptions) {
    this.handler = handler;
    this.budget = budget;
    this.readsUnsent = readsUnsent;
    this.counts = counts;
    this.device = device;
    this.shares = new TurnShares(budget.connectionBytes);
    this.scratch = new NativeBuffer(budget.readBytes);
    this.stack = new Stack(slots, device, endpoints, this, delaysAcks ?? false);
  }

  get end(): number {
    return this.stack.connections.end;
  }

  state(slot: number): number {
    const flags = this.stack.connections.flags[slot]!;
    const state = flags & STATE;
    if (state === TCP.established || state === TCP.closeWait) return flags & RESTING ? SLOT.resting : SLOT.opened;
    return state === TCP.closed ? SLOT.free : SLOT.opening;
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const state = this.stack.connections.state(slot);
    if (state !== TCP.established && state !== TCP.closeWait) return -EPIPE;
    this.updateClock();
    return enqueue(this.stack, slot, bytes.bytes, offset, Math.min(length, this.budget.sendBytes), length);
  }

  rest(slot: number): void {
    this.stack.connections.add(slot, RESTING);
  }

  close(slot: number): void {
    this.updateClock();
    closeSlot(this.stack, slot);
    this.stack.connections.give(slot);
  }

  reset(slot: number): void {
    resetSlot(this.stack, slot);
    this.stack.connections.give(slot);
  }

  turn(waitMs: number): void {
    const { stack, device } = this;
    const beganMs = performance.now();
    stack.beginTurn(beganMs);
    this.shares.beginTurn();
    const isBusy = this.hasMorePackets || this.hasMore || (this.leftovers.length > 0 && !this.isHeld);
    const mostMs = device.isGone ? Math.min(waitMs, GONE_WAIT_MS) : waitMs;
    stack.wait(isBusy ? 0 : Math.min(mostMs, stack.waitMs(beganMs)));
    const awakeMs = performance.now();
    stack.setClock(awakeMs);
    this.isClockSet = true;
    this.handler.awake(awakeMs);
    this.hasMorePackets = device.receive(stack, PACKETS_AT_ONCE);
    if (device.isGone) failAll(stack, ENETDOWN);
    this.goOn();
    this.finishTurn();
    stack.connections.recycle();
    this.isClockSet = false;
  }

  addresses(slot: number): ConnectionAddresses | number {
    return this.stack.endpoints.addresses(slot);
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    this.isMuted = true;
    this.updateClock();
    if (resets) resetAll(this.stack, isAborted);
    else finishAll(this.stack, isAborted);
    this.device.flush();
    this.release(true);
  }

  dispose(): void {
    this.release(false);
  }

  // Events from the stack.

  abstract established(slot: number): void;
  abstract arriving(): number;

  received(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    if (!this.canRead(slot)) return 0;
    const size = Math.min(length, this.shares.left(slot), this.budget.readBytes);
    if (size === 0) return 0;
    this.shares.take(slot, size);
    return this.deliver(slot, buffer, offset, size);
  }

  queued(slot: number): void {
    // Otherwise, reading continues once the connection can send again.
    if (this.canRead(slot) || this.isHeld) this.leftovers.push(slot);
  }

  sent(slot: number): void {
    if (this.isMuted) return;
    this.handler.sent(slot);
    this.goOnLater(slot);
  }

  ended(slot: number): void {
    const { connections } = this.stack;
    if (!this.canRead(slot)) {
      connections.add(slot, FIN_UNTOLD);
      this.queued(slot);
      return;
    }
    connections.remove(slot, FIN_UNTOLD);
    this.handler.closed(slot);
    if (connections.state(slot) !== TCP.closed) this.close(slot);
  }

  failed(slot: number, errno: number): void {
    const { connections } = this.stack;
    const wasOpen = connections.state(slot) >= TCP.established;
    // Data that arrived before a reset can still be read.
    while (wasOpen && this.hasUnread(slot) && this.canRead(slot) && this.readUnread(slot) > 0);
    if (connections.state(slot) === TCP.closed) return;
    if (!this.isMuted) this.report(slot, wasOpen ? STEP.hold : STEP.connect, errno);
    if (connections.state(slot) === TCP.closed) return;
    this.stack.forget(slot);
    connections.give(slot);
  }

  protected report(slot: number, step: number, errno: number): void {
    this.handler.failed(slot, step, errno, false);
  }

  /** Called before anything that sets a timer, as the role also acts between turns. Many calls cost one reading. */
  protected updateClock(): void {
    if (this.isClockSet) return;
    this.stack.setClock(performance.now());
    this.isClockSet = true;
  }

  /** @param waits see PacketDevice.close() */
  private release(waits: boolean): void {
    if (this.isReleased) return;
    this.isReleased = true;
    if (this.counts) writeCounts(this.stack, this.counts, this.device.drops?.() ?? 0);
    this.device.close(waits);
  }

  /** Whether there is work for another turn right away. */
  protected get hasMore(): boolean {
    return false;
  }

  protected finishTurn(): void {
    // Only clients report failures to connect, and only servers accept.
  }

  protected deliver(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    return this.handler.received(slot, buffer, offset, length);
  }

  /** Whether the role currently accepts this connection's data. */
  protected canRead(slot: number): boolean {
    return !this.isHeld && !this.isMuted && (this.readsUnsent || !this.stack.connections.has(slot, BLOCKED));
  }

  /** Makes the next turn read waiting data. */
  protected goOnLater(slot: number): void {
    if (this.hasUnread(slot)) this.leftovers.push(slot);
  }

  private hasUnread(slot: number): boolean {
    const { records, connections } = this.stack;
    const record = records.of(slot);
    return connections.has(slot, FIN_UNTOLD) || (record >= 0 && records.unread.length[record]! > 0);
  }

  private goOn(): void {
    const { leftovers } = this;
    if (this.isHeld) return;
    for (let n = Math.min(leftovers.length, this.budget.resumed); n > 0; n--) {
      const slot = leftovers.shift();
      // The slot may since have been closed or reused.
      while (this.hasUnread(slot) && this.canRead(slot)) {
        if (this.readUnread(slot) === 0) {
          // Unless the connection must wait for its peer to read, it continues in the next turn.
          if (this.hasUnread(slot) && !(this.peeks && this.stack.connections.has(slot, BLOCKED))) leftovers.push(slot);
          break;
        }
      }
    }
  }

  /**
   * Reports bytes that have been waiting, and the FIN after them.
   * @returns number of bytes; 0 if there is nothing to do
   */
  private readUnread(slot: number): number {
    const { records, connections } = this.stack;
    const record = records.of(slot);
    const waiting = record < 0 ? 0 : records.unread.length[record]!;
    if (waiting === 0) {
      this.ended(slot);
      return 0;
    }
    const size = Math.min(waiting, this.budget.readBytes, this.shares.left(slot));
    if (size === 0) return 0;
    const window = receiveWindow(this.stack, slot);
    records.unread.copy(record, 0, size, this.scratch.bytes, 0);
    const used = this.deliver(slot, this.scratch, 0, size);
    this.shares.take(slot, size);
    if (connections.state(slot) === TCP.closed || records.of(slot) !== record) return 0;
    records.unread.drop(record, used);
    if (window < SMALL_WINDOW && receiveWindow(this.stack, slot) >= SMALL_WINDOW) this.stack.oweAck(slot);
    if (used < size) return 0;
    if (records.unread.length[record] === 0 && connections.has(slot, FIN_UNTOLD)) this.ended(slot);
    else releaseIfIdle(this.stack, slot);
    return used;
  }
}
