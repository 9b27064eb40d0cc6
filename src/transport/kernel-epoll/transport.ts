// What both roles' epoll transports have in common: the connections of one worker, their turn, what comes in, what goes out.
// Events are edge-triggered: the kernel does not tell again of what was left, so what is left is queued here.
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

/** What comes back from epoll for descriptors that are no connection's; slots are 0 and above. */
const WAKE_UP = -1;
export const LISTENER = -2;

/** What is waited for on every connection, and on one that is to send as soon as the kernel takes more. */
export const EVENTS_IN = EPOLLIN | EPOLLRDHUP | EPOLLET;
export const EVENTS_IN_OUT = EVENTS_IN | EPOLLOUT;

// A slot's state in the table: one of SLOT, and these.
export const STATE_MASK = 3;
/** The kernel took less than it was given. */
export const BLOCKED = 4;
/** The budget did: it goes on in the next turn. */
export const CLAMPED = 8;
/** EPOLLOUT is waited for. */
export const WATCHED = 16;
const UNSENT = BLOCKED | CLAMPED;

const EVENTS_AT_ONCE = 512;

export interface EpollTransportOptions {
  readonly handler: TransportHandler;
  readonly budget: TurnBudget;
  readonly wakeFd: number;
  readonly table: ConnectionTableOptions;
  /** What comes in is told while a part of what was sent is still with the kernel. */
  readonly readsUnsent: boolean;
}

export abstract class EpollTransport implements Transport {
  isHeld = false;
  peeks = false;
  protected readonly epoll = new Epoll(EVENTS_AT_ONCE);
  protected readonly table: ConnectionTable;
  /** Connections that have had their share of a turn. */
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

  /** Begins to wait for the wake-up. @returns 0 or a negative errno, for which this transport cannot work */
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
    // The epoll set goes first: what the closing makes of the others is of no interest any more.
    this.dispose();
    this.table.closeAll(resets, isAborted);
  }

  dispose(): void {
    this.epoll.close();
  }

  protected abstract handle(slot: number, events: number): void;
  /** A connection that has had its share goes on. */
  protected abstract goOnWith(slot: number): void;

  /**
   * Reads all there is, up to a connection's share of a turn.
   *
   * @param hasEnded the peer has sent all, perhaps: reads until the kernel says so
   * @param endedBy the error that ended it, where the socket no longer tells
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
    // Servers have one.
  }

  protected deliver(slot: number, length: number): void {
    this.handler.received(slot, this.buffer, 0, length);
  }

  /** Tells that more can be sent. @returns whether the connection lives, and nothing of it waits to be sent again */
  protected unblock(slot: number, bits: number): boolean {
    const { table } = this;
    table.setState(slot, table.state(slot) & ~bits);
    this.handler.sent(slot);
    const state = table.state(slot);
    return state !== SLOT.free && (state & UNSENT) === 0;
  }

  /** The peer or the network ended an ESTABLISHED connection. @param errno 0 for the peer's FIN */
  protected ended(slot: number, errno: number): void {
    if (errno === 0) this.handler.closed(slot);
    else this.handler.failed(slot, STEP.hold, errno, false);
    if (this.table.state(slot) !== SLOT.free) this.close(slot);
  }

  /** Changes what is waited for; a parked connection, which has no descriptor to do it by, waits for everything. */
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
      // It may have been closed, or be another connection's, since.
      if ((this.table.state(slot) & STATE_MASK) >= SLOT.opened) this.goOnWith(slot);
    }
  }

  /** Shows what has come and takes out what was used of it: the rest stays unread until the peer reads. */
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
    // Asked for again, an event that is there already would come again, and again.
    if ((state & WATCHED) === 0) this.watch(slot, EVENTS_IN_OUT);
  }
}
