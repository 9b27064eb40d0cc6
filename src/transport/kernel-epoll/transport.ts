// Base class of both epoll transports: manages one worker's connections and runs its turns. Events are edge-triggered,
// so the kernel does not report unread data again; connections with more to do are queued here.
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../../linux/syscalls/constants.js";
import { Epoll } from "../../linux/syscalls/epoll.js";
import { EAGAIN } from "../../linux/syscalls/errno.js";
import { drain } from "../../linux/syscalls/eventfd.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { endsOf } from "../../linux/syscalls/socket.js";
import { STEP } from "../../util/steps.js";
import type { ConnectionAddresses, Transport, TransportHandler, TurnBudget } from "../contract.js";
import { SlotQueue } from "../slot-queue.js";
import { SLOT } from "../slot-state.js";
import { ConnectionTable, type ConnectionTableOptions } from "./connection-table.js";

/** The epoll data of descriptors that are not connections. Slots are non-negative. */
const WAKE_UP = -1;
export const LISTENER = -2;

/** Events watched on every connection, and on a connection that is waiting for the kernel to accept more. */
export const EVENTS_IN = EPOLLIN | EPOLLRDHUP | EPOLLET;
export const EVENTS_IN_OUT = EVENTS_IN | EPOLLOUT;

// A slot's state in the table: one of SLOT, plus these bits.
export const STATE_MASK = 3;
/** The kernel accepted fewer bytes than it was given. */
export const BLOCKED = 4;
/** The budget cut the send short; the connection continues in the next turn. */
export const CLAMPED = 8;
/** EPOLLOUT is watched. */
export const WATCHED = 16;
const UNSENT = BLOCKED | CLAMPED;

const EVENTS_AT_ONCE = 512;

export interface EpollTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  readonly wakeFd: number;
  readonly table: ConnectionTableOptions;
  /** Whether incoming data is reported while output is still pending. */
  readonly readsUnsent: boolean;
}

export abstract class EpollTransport implements Transport {
  isHeld = false;
  peeks = false;
  protected readonly epoll = new Epoll(EVENTS_AT_ONCE);
  protected readonly table: ConnectionTable;
  /** Connections that have exhausted their share of a turn. */
  protected readonly leftovers = new SlotQueue();
  private readonly handler: TransportHandler;
  private readonly budget: TurnBudget;
  private readonly wakeFd: number;
  private readonly readsUnsent: boolean;
  private readonly buffer: NativeBuffer;

  constructor({ handler, budget, wakeFd, table, readsUnsent }: EpollTransportOptions) {
    this.handler = handler;
    this.budget = budget;
    this.wakeFd = wakeFd;
    this.readsUnsent = readsUnsent;
    this.table = new ConnectionTable(table);
    this.buffer = new NativeBuffer(budget.readBytes);
  }

  /**
   * Starts watching the wake-up descriptor.
   * @returns 0, or a negative errno if this transport is unusable
   */
  begin(): number {
    return this.epoll.fd < 0 ? this.epoll.fd : this.epoll.add(this.wakeFd, EPOLLIN, WAKE_UP);
  }

  get end(): number {
    return this.table.end;
  }

  state(slot: number): number {
    return this.table.state(slot) & STATE_MASK;
  }

  send(slot: number, bytes: NativeBuffer, offset: number, length: number): number {
    const wanted = Math.min(length, this.budget.sendBytes);
    const sent = this.table.send(slot, bytes, offset, wanted);
    if (sent === length) return sent;
    if (sent < 0 && sent !== -EAGAIN) return sent;
    if (sent === wanted) this.clamp(slot);
    else this.block(slot);
    return Math.max(0, sent);
  }

  rest(slot: number): void {
    this.table.setState(slot, this.table.state(slot) | SLOT.resting);
  }

  close(slot: number): void {
    this.table.close(slot);
  }

  reset(slot: number): void {
    this.table.close(slot, true);
  }

  turn(waitMs: number): void {
    const { epoll } = this;
    const ready = epoll.wait(this.hasLeftovers ? 0 : waitMs === Number.POSITIVE_INFINITY ? -1 : waitMs);
    this.handler.awake(performance.now());
    for (let i = 0; i < ready; i++) {
      const slot = epoll.readyData(i);
      if (slot >= 0) this.handle(slot, epoll.readyEvents(i));
      else if (slot === WAKE_UP) drain(this.wakeFd);
      else this.handleListener();
    }
    if (this.hasLeftovers) this.goOn();
    this.table.recycle();
  }

  addresses(slot: number): ConnectionAddresses | number {
    return endsOf(this.table.descriptor(slot));
  }

  closeAll(resets: boolean, isAborted: () => boolean): void {
    // Close the epoll set first: events caused by closing the sockets are irrelevant.
    this.dispose();
    this.table.closeAll(resets, isAborted);
  }

  dispose(): void {
    this.epoll.close();
  }

  protected abstract handle(slot: number, events: number): void;
  /** Resumes a connection that exhausted its share. */
  protected abstract goOnWith(slot: number): void;

  /**
   * Reads available data, up to the connection's share of a turn.
   *
   * @param hasEnded whether the peer may have sent a FIN; reads until the kernel reports the end
   * @param endedBy errno that ended the connection, if already taken from the socket
   */
  protected read(slot: number, hasEnded: boolean, endedBy = 0): void {
    if (this.peeks) {
      this.show(slot);
      return;
    }
    const { table, buffer, budget } = this;
    const size = budget.readBytes;
    let bytes = 0;
    for (let n = 0; n < budget.reads && !this.isHeld && !this.peeks; n++) {
      const received = table.receive(slot, buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.ended(slot, received === 0 ? endedBy : -received);
        return;
      }
      this.deliver(slot, received);
      const state = table.state(slot);
      if (state === SLOT.free || (state & UNSENT && !this.readsUnsent)) return;
      bytes += received;
      if (bytes >= budget.connectionBytes) break;
      if (received < size && !hasEnded) return;
    }
    this.leftovers.push(slot);
  }

  protected handleListener(): void {
    // Only servers have a listening socket.
  }

  protected deliver(slot: number, length: number): void {
    this.handler.received(slot, this.buffer, 0, length);
  }

  /**
   * Reports that more can be sent.
   * @returns whether the connection is open and has no pending output
   */
  protected unblock(slot: number, bits: number): boolean {
    const { table } = this;
    table.setState(slot, table.state(slot) & ~bits);
    this.handler.sent(slot);
    const state = table.state(slot);
    return state !== SLOT.free && (state & UNSENT) === 0;
  }

  /**
   * Handles the end of an ESTABLISHED connection by the peer or the network.
   * @param errno reason for the end; 0 for the peer's FIN
   */
  protected ended(slot: number, errno: number): void {
    if (errno === 0) this.handler.closed(slot);
    else this.handler.failed(slot, STEP.hold, errno, false);
    if (this.table.state(slot) !== SLOT.free) this.close(slot);
  }

  /** Changes the watched events. A parked connection has no descriptor to modify, so it already watches all events. */
  protected watch(slot: number, events: number): void {
    const fd = this.table.descriptor(slot);
    if (fd >= 0) this.epoll.modify(fd, events, slot);
  }

  protected get hasLeftovers(): boolean {
    return this.leftovers.length > 0 && !this.isHeld;
  }

  private goOn(): void {
    const { leftovers } = this;
    for (let n = Math.min(leftovers.length, this.budget.resumed); n > 0; n--) {
      const slot = leftovers.shift();
      // The slot may have been closed or reused since.
      if ((this.table.state(slot) & STATE_MASK) >= SLOT.opened) this.goOnWith(slot);
    }
  }

  /** Peeks at available data and consumes what the handler used. The rest stays unread until the peer reads. */
  private show(slot: number): void {
    const { table, buffer } = this;
    const peeked = table.peek(slot, buffer);
    if (peeked <= 0) {
      if (peeked !== -EAGAIN) this.ended(slot, -peeked);
      return;
    }
    const used = this.handler.received(slot, buffer, 0, peeked);
    const state = table.state(slot);
    if (state === SLOT.free) return;
    if (used > 0) table.discard(slot, buffer, used);
    if ((state & UNSENT) === 0) this.leftovers.push(slot);
  }

  private clamp(slot: number): void {
    this.table.setState(slot, this.table.state(slot) | CLAMPED);
    this.leftovers.push(slot);
  }

  private block(slot: number): void {
    const state = this.table.state(slot);
    this.table.setState(slot, state | BLOCKED | WATCHED);
    // Modifying the registration again would make epoll report pending events again.
    if ((state & WATCHED) === 0) this.watch(slot, EVENTS_IN_OUT);
  }
}
