// The server's transport over io_uring. Each accept has its place in a ring beforehand, so a full table takes no connection off the
// accept queue: a multishot accept would, and drop it.
import { EAGAIN, ECANCELED, ECONNABORTED, EINTR, EMFILE, ENFILE, ENOBUFS, ENOMEM } from "../../linux/syscalls/errno.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { describeSockaddr, SOCKADDR_SIZE } from "../../linux/syscalls/sockaddr.js";
import { closeFd } from "../../linux/syscalls/socket.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { pushAcceptInto, pushCancel } from "../../linux/uring/entries.js";
import type { ServerHandler, ServerTransport, ServerTransportOptions } from "../contract.js";
import { SLOT } from "../slot-state.js";
import { LARGEST_RING, type RingUnit } from "./ring-set.js";
import { CONNECTING, STATE_MASK } from "./slots.js";
import { numberOf, TAG, tagWith } from "./tags.js";
import { UringTransport } from "./transport.js";

// A full table is tried again this often: room may come from elsewhere.
const RETRY_MS = 100;
/** A sockaddr, and its length behind it. */
const PEER_BYTES = SOCKADDR_SIZE + 4;
const NO_SLOT = -1;

export class UringServer extends UringTransport implements ServerTransport {
  accepts = true;
  namesPeers = false;
  private readonly server: ServerHandler;
  private readonly listener: number;
  private ownsListener: boolean;
  /** The slots of accepts that are under way, by number; -1 for a number that is free. */
  private readonly waiting: Int32Array;
  private readonly peers: NativeBuffer;
  private peer = 0;
  private highest = -1;
  private fullErrno = 0;
  private retryAtMs = 0;

  constructor({ handler, budget, wakeFd, slots, tableSize, listener, ownsListener }: ServerTransportOptions) {
    super({ handler, budget, wakeFd, slots, filesEach: Math.min(tableSize, LARGEST_RING), readsUnsent: false });
    this.server = handler;
    this.listener = listener;
    this.ownsListener = ownsListener;
    this.waiting = new Int32Array(budget.accepts).fill(NO_SLOT);
    this.peers = new NativeBuffer(budget.accepts * PEER_BYTES);
  }

  /** Without the places of accepts that wait. */
  override get end(): number {
    return this.highest + 1;
  }

  /** Rings have room for as many as memory allows. */
  get isFilling(): boolean {
    return false;
  }

  acceptedPeer(): { ip: string; port: number } {
    return describeSockaddr(this.peers.bytes.subarray(this.peer * PEER_BYTES));
  }

  override turn(waitMs: number): void {
    const isFull = performance.now() < this.retryAtMs;
    for (let number = 0; number < this.waiting.length; number++) {
      if (!this.accepts) this.giveUp(number);
      else if (!isFull && this.fullErrno === 0 && this.waiting[number] === NO_SLOT) this.accept(number);
    }
    super.turn(isFull ? Math.min(waitMs, RETRY_MS) : waitMs);
  }

  override close(slot: number): void {
    super.close(slot);
    this.retryAtMs = 0;
  }

  override reset(slot: number): void {
    super.reset(slot);
    this.retryAtMs = 0;
  }

  override dispose(): void {
    super.dispose();
    if (this.ownsListener) closeFd(this.listener);
    this.ownsListener = false;
  }

  protected override get hasMore(): boolean {
    return this.fullErrno !== 0;
  }

  protected override finishTurn(): void {
    if (this.fullErrno === 0) return;
    const errno = this.fullErrno;
    this.fullErrno = 0;
    this.retryAtMs = performance.now() + RETRY_MS;
    this.server.acceptFailed(errno, true);
  }

  protected override delivered(): void {
    // Servers hold what they have accepted.
  }

  protected override complete(_unit: RingUnit, slot: number, tag: number, result: number): void {
    const number = numberOf(tag);
    this.waiting[number] = NO_SLOT;
    if (result < 0) {
      this.slots.remove(slot, CONNECTING);
      this.failed(-result);
      return;
    }
    this.slots.set(slot, SLOT.opened);
    if (slot > this.highest) this.highest = slot;
    this.peer = number;
    this.server.accepted(slot);
    if ((this.slots.get(slot) & STATE_MASK) !== SLOT.free) this.arm(slot, false);
  }

  private failed(errno: number): void {
    // The peer gave up while it waited, or this accept was given up.
    if (errno === EAGAIN || errno === EINTR || errno === ECONNABORTED || errno === ECANCELED) return;
    if (errno === EMFILE || errno === ENFILE || errno === ENOBUFS || errno === ENOMEM) this.fullErrno = errno;
    else this.server.acceptFailed(errno, false);
  }

  private accept(number: number): void {
    const { slots, rings } = this;
    let slot = slots.take(rings.capacity);
    if (slot < 0) {
      const failed = rings.add();
      if (failed < 0) {
        this.fullErrno = -failed;
        return;
      }
      slot = slots.take(rings.capacity);
    }
    const unit = rings.unitOf(slot);
    rings.reserve(unit, 1);
    slots.set(slot, CONNECTING);
    this.waiting[number] = slot;
    const address = this.peers.address + number * PEER_BYTES;
    this.peers.bytes.writeUInt32LE(SOCKADDR_SIZE, number * PEER_BYTES + SOCKADDR_SIZE);
    const file = slot - unit.firstSlot;
    pushAcceptInto(unit.ring, this.listener, file, address, address + SOCKADDR_SIZE, slot, tagWith(TAG.accept, number));
  }

  private giveUp(number: number): void {
    const slot = this.waiting[number]!;
    if (slot === NO_SLOT) return;
    const unit = this.rings.unitOf(slot);
    this.rings.reserve(unit, 1);
    pushCancel(unit.ring, slot, tagWith(TAG.accept, number), SQE_FLAG.skipSuccess, slot, TAG.ignored);
  }
}
