// Base class of both transports in user space: runs turns, and passes the stack's events on to the role.
import { ENETDOWN, EPIPE } from "../../linux/syscalls/errno.js";
import type { NativeBuffer } from "../../linux/syscalls/libc.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { writeCounts } from "./counts.js";
import { Delivery, type Recipient } from "./delivery.js";
import type { PacketDevice } from "./devices/device.js";
import { countUnacknowledged, failAll, finishAll, resetAll } from "./ending.js";
import { closeSlot, resetSlot } from "./tcp/closing.js";
import { BLOCKED, RESTING, STATE, TCP } from "./tcp/connections.js";
import type { Endpoints } from "./tcp/endpoints.js";
import { enqueue } from "./tcp/sending.js";
import { Stack } from "./tcp/stack.js";
import type { StackEvents } from "./tcp/tcp-state.js";

/** Maximum number of packets per turn. */
const PACKETS_AT_ONCE = 512;
/** Maximum wait without a device, after which connections begun since are reported as failed. */
const GONE_WAIT_MS = 20;
/**
 * Interval at which the device is checked. Nothing arrives from one that was brought down, and io_uring's read can miss
 * a removal: woken just before the device is detached from its descriptor (tun_detach_all()), it goes on waiting.
 */
const CHECK_MS = 1000;

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

export abstract class PacketTransport implements Transport, StackEvents, Recipient {
  isHeld = false;
  peeks = false;
  readonly stack: Stack;
  protected readonly device: PacketDevice;
  private readonly handler: TransportHandler;
  private readonly budget: TurnBudget;
  private readonly readsUnsent: boolean;
  private readonly counts: SharedArrayBuffer | undefined;
  private readonly delivery: Delivery;
  private nextCheckMs = 0;
  /** Whether the device had more packets than one turn may handle. */
  private hasMorePackets = false;
  private isReleased = false;
  /** Whether the role hears of nothing any more, because everything is being closed. */
  protected isMuted = false;
  /** Number of packets that the device had dropped when closing began. */
  private dropped: number | undefined;
  /** Whether the stack's clock is current: from the end of a turn's wait or, between turns, its first use. */
  private isClockSet = false;

  constructor({ handler, budget, slots, device, endpoints, counts, readsUnsent, delaysAcks }: PacketTransportOptions) {
    this.handler = handler;
    this.budget = budget;
    this.readsUnsent = readsUnsent;
    this.counts = counts;
    this.device = device;
    this.stack = new Stack(slots, device, endpoints, this, delaysAcks ?? false);
    this.delivery = new Delivery(this.stack, budget, this);
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
    const { stack, device, delivery } = this;
    const beganMs = performance.now();
    stack.beginTurn(beganMs);
    delivery.beginTurn();
    const isBusy = this.hasMorePackets || this.hasMore || delivery.isPending;
    const mostMs = Math.min(waitMs, device.isGone ? GONE_WAIT_MS : CHECK_MS);
    stack.wait(isBusy ? 0 : Math.min(mostMs, stack.waitMs(beganMs)));
    const awakeMs = performance.now();
    stack.setClock(awakeMs);
    this.isClockSet = true;
    this.handler.awake(awakeMs);
    this.hasMorePackets = device.receive(stack, PACKETS_AT_ONCE);
    this.checkDevice(awakeMs);
    if (device.isGone) failAll(stack, ENETDOWN);
    delivery.goOn();
    this.finishTurn();
    stack.connections.recycle();
    this.isClockSet = false;
  }

  addresses(slot: number): ConnectionAddresses | number {
    return this.stack.endpoints.addresses(slot);
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    this.isMuted = true;
    // What peers send to connections that are being reset does not matter any more.
    this.dropped = this.readDrops();
    this.updateClock();
    this.stack.counters.unacknowledged = countUnacknowledged(this.stack);
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
    return this.delivery.arrived(slot, buffer, offset, length);
  }

  queued(slot: number): void {
    this.delivery.queued(slot);
  }

  sent(slot: number): void {
    if (this.isMuted) return;
    this.handler.sent(slot);
    this.goOnLater(slot);
  }

  ended(slot: number): void {
    this.delivery.ended(slot);
  }

  failed(slot: number, errno: number): void {
    const { connections } = this.stack;
    const wasOpen = connections.state(slot) >= TCP.established;
    // Data that arrived before a reset can still be read.
    if (wasOpen) this.delivery.deliverLast(slot);
    if (connections.state(slot) === TCP.closed) return;
    if (!this.isMuted) this.report(slot, wasOpen ? STEP.hold : STEP.connect, errno);
    if (connections.state(slot) === TCP.closed) return;
    this.stack.forget(slot);
    connections.give(slot);
  }

  // What the delivery needs to know of the role.

  deliver(slot: number, buffer: NativeBuffer, offset: number, length: number): number {
    return this.handler.received(slot, buffer, offset, length);
  }

  deliverEnd(slot: number): void {
    this.handler.closed(slot);
    if (this.stack.connections.state(slot) !== TCP.closed) this.close(slot);
  }

  canRead(slot: number): boolean {
    return !this.isHeld && !this.isMuted && (this.readsUnsent || !this.stack.connections.has(slot, BLOCKED));
  }

  /** Makes the next turn read what waits of a connection. */
  protected goOnLater(slot: number): void {
    this.delivery.resume(slot);
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
    if (this.counts) writeCounts(this.stack, this.counts, this.dropped ?? this.readDrops());
    this.device.close(waits);
  }

  private readDrops(): number {
    return this.device.drops?.() ?? 0;
  }

  /** Whether there is work for another turn right away. */
  protected get hasMore(): boolean {
    return false;
  }

  protected finishTurn(): void {
    // Only clients report failures to connect, and only servers accept.
  }

  private checkDevice(nowMs: number): void {
    if (nowMs < this.nextCheckMs) return;
    this.nextCheckMs = nowMs + CHECK_MS;
    this.device.check?.();
  }
}
