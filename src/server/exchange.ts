// What goes over a server's connections: the host of its protocol. A connection has its share of a turn, and what a peer does not take
// waits: in the kernel, or in a bounded place here.
import { type ConnectionTable, FREE } from "../engine/connection-table.js";
import { Outgoing } from "../engine/sending/outgoing.js";
import { Unsent } from "../engine/sending/unsent.js";
import { SlotQueue } from "../engine/slot-queue.js";
import type { Shard } from "../engine/worker.js";
import { PHASE, type ShardMemory } from "../engine/worker-memory.js";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../linux/syscalls/constants.js";
import { EAGAIN, ECONNRESET, EPIPE, EPROTO } from "../linux/syscalls/errno.js";
import { NativeBuffer } from "../linux/syscalls/libc.js";
import type { Connections, Protocol } from "../protocols/contract.js";
import { createServerProtocol } from "../protocols/plain-tcp.js";
import { COUNTER, type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

// A connection's state. In all but OPEN nothing is read until the kernel takes what there is to send.
export const OPEN = 1;
/** Bytes of the protocol's wait to be sent. */
const SENDING = 2;
/** Likewise, and then the connection is closed. */
const ENDING = 3;
/** An echo waits unread in the kernel: there is no room for more of them here. */
const WAITING = 4;

/** What is waited for on every connection, and on one that is blocked. */
export const EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
export const BLOCKED_EVENTS = EVENTS | EPOLLOUT;
const READ_BYTES = 64 * 1024;
// A connection's share of a turn: one full buffer, or some that are not full.
const READS_AT_ONCE = 4;
const CONSTANT_BYTES_AT_ONCE = 256 * 1024;

export class Exchange implements Connections {
  /** Connections that have had their share of a turn. */
  readonly leftovers = new SlotQueue();
  /** Whether connections at rest may have something to send later on. */
  readonly sendsAtRest: boolean;
  /** Memory is at its floor: nothing more is kept for peers that do not read. */
  isPaused = false;
  private readonly shard: Shard<ServePlan, ServeMessage>;
  private readonly table: ConnectionTable;
  private readonly memory: ShardMemory;
  private readonly counters: Float64Array;
  private readonly protocol: Protocol;
  private readonly echoes: boolean;
  private readonly buffer = new NativeBuffer(READ_BYTES);
  private readonly outgoing: Outgoing;
  /** What is told was not taken out of the kernel: bytes that do not go back at once stay there. */
  private isPeeking = false;
  private echoedBytes = 0;
  private readonly end: (slot: number) => void;

  /** @param end closes a connection and counts that */
  constructor(shard: Shard<ServePlan, ServeMessage>, table: ConnectionTable, end: (slot: number) => void) {
    this.shard = shard;
    this.table = table;
    this.memory = shard.memory;
    this.counters = shard.memory.counters;
    this.end = end;
    this.protocol = createServerProtocol(this, shard.plan);
    this.echoes = this.protocol.replies === "echo";
    this.sendsAtRest = this.protocol.replies !== "none";
    const unsent = new Unsent(new Int32Array(shard.plan.shared), SHARED.unsentChunks);
    this.outgoing = new Outgoing(table, this.protocol.constants, unsent, CONSTANT_BYTES_AT_ONCE);
  }

  /** A new connection in `slot`. */
  open(slot: number): void {
    this.protocol.opened(slot);
  }

  /** Goes on with connections that had more to do than their share, at most `count`. */
  goOn(count: number): void {
    for (let n = Math.min(this.leftovers.length, count); n > 0; n--) this.handle(this.leftovers.shift(), true);
  }

  /** The connection in `slot` has ended: nothing is kept for it any more. */
  forget(slot: number): void {
    this.outgoing.drop(slot);
    this.protocol.closed(slot);
  }

  /** All connections are about to be closed. @param resets by RST */
  finish(resets: boolean): void {
    const { protocol, table } = this;
    for (let slot = 0; slot < table.end; slot++) {
      if (!resets && table.state(slot) === OPEN) protocol.closing(slot);
      if (table.state(slot) !== FREE) protocol.closed(slot);
    }
  }

  /** @param hasEnded the peer has sent all, perhaps: reads until the kernel says so */
  handle(slot: number, hasEnded: boolean): void {
    // An earlier event of this batch may have closed it.
    const state = this.table.state(slot);
    if (state === FREE) return;
    if (state === SENDING || state === ENDING) this.resume(slot, state);
    else if (state === WAITING) this.table.setState(slot, OPEN);
    if (this.table.state(slot) !== OPEN) return;
    if (this.echoes && (this.isPaused || !this.outgoing.hasRoom)) this.echoUnkept(slot, state === WAITING);
    else this.read(slot, hasEnded);
    if (state === WAITING && this.table.state(slot) === OPEN) this.watch(slot, EVENTS);
  }

  sendConstant(slot: number, place: number): void {
    if (this.table.state(slot) !== FREE) this.sent(slot, this.outgoing.sendConstant(slot, place));
  }

  send(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const { buffer, outgoing } = this;
    if (this.isPeeking) this.echoedBytes = this.table.send(slot, buffer, start, end - start);
    else if (this.table.state(slot) === FREE) return;
    else if (bytes === buffer.bytes) this.sent(slot, outgoing.send(slot, buffer, start, end));
    else this.sent(slot, outgoing.sendCopy(slot, bytes, start, end));
  }

  /** What is accepted is counted; how far it is in the protocol is not. */
  ready(_slot: number): void {}

  refused(slot: number, _code: number): void {
    if (this.table.state(slot) === FREE) return;
    this.memory.countFailure(PHASE.receive, EPROTO);
    this.end(slot);
  }

  close(slot: number): void {
    const state = this.table.state(slot);
    if (state === SENDING) this.table.setState(slot, ENDING);
    else if (state !== FREE) this.end(slot);
  }

  /** Changes what is waited for; a parked connection, which has no descriptor to do it by, waits for everything. */
  watch(slot: number, events: number): void {
    const fd = this.table.descriptor(slot);
    if (fd >= 0) this.shard.epoll.modify(fd, events, slot);
  }

  /** Reads and tells all there is, up to a connection's share of a turn: events are edge-triggered. */
  private read(slot: number, hasEnded: boolean): void {
    for (let n = 0; n < READS_AT_ONCE; n++) {
      const received = this.table.receive(slot, this.buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.ended(slot, -received);
        return;
      }
      this.counters[COUNTER.receivedBytes]! += received;
      this.protocol.received(slot, this.buffer.bytes, 0, received);
      if (this.table.state(slot) !== OPEN) return;
      if (received === READ_BYTES) break;
      if (!hasEnded) return;
    }
    this.leftovers.push(slot);
  }

  /** Echoes what the kernel takes and leaves the rest where it is: unread, until the peer reads. */
  private echoUnkept(slot: number, isWatched: boolean): void {
    const peeked = this.table.peek(slot, this.buffer);
    if (peeked <= 0) {
      if (peeked !== -EAGAIN) this.ended(slot, -peeked);
      return;
    }
    this.echoedBytes = 0;
    this.isPeeking = true;
    this.protocol.received(slot, this.buffer.bytes, 0, peeked);
    this.isPeeking = false;
    const sent = this.echoedBytes;
    if (sent < 0 && sent !== -EAGAIN) {
      this.failToSend(slot, -sent);
      return;
    }
    if (sent > 0) {
      this.table.discard(slot, this.buffer, sent);
      this.counters[COUNTER.receivedBytes]! += sent;
      this.counters[COUNTER.sentBytes]! += sent;
    }
    if (sent === peeked) this.leftovers.push(slot);
    // Asked for again, an event that is there already would come again, and again.
    else if (isWatched) this.table.setState(slot, WAITING);
    else this.block(slot, WAITING);
  }

  /** The kernel takes more of what waits to be sent, or it is the connection's turn again. */
  private resume(slot: number, state: number): void {
    this.sent(slot, this.outgoing.resume(slot));
    if (this.table.state(slot) === FREE || this.outgoing.isSending(slot)) return;
    if (state === ENDING) {
      this.end(slot);
      return;
    }
    this.table.setState(slot, OPEN);
    this.watch(slot, EVENTS);
  }

  /** @param sent bytes that the kernel has taken, or a negative errno */
  private sent(slot: number, sent: number): void {
    const { table, outgoing } = this;
    if (sent < 0) {
      this.failToSend(slot, -sent);
      return;
    }
    this.counters[COUNTER.sentBytes]! += sent;
    if (outgoing.hasMore) this.leftovers.push(slot);
    if (table.state(slot) === OPEN && outgoing.isSending(slot)) this.block(slot, SENDING);
  }

  /** Waits until the kernel takes more. */
  private block(slot: number, state: number): void {
    this.table.setState(slot, state);
    this.watch(slot, BLOCKED_EVENTS);
  }

  /** The peer or the network ended a connection. @param errno 0 for the peer's FIN */
  private ended(slot: number, errno: number): void {
    if (errno === ECONNRESET) this.counters[COUNTER.resets]! += 1;
    else if (errno > 0) this.memory.countFailure(PHASE.receive, errno);
    this.end(slot);
  }

  private failToSend(slot: number, errno: number): void {
    if (errno === ECONNRESET || errno === EPIPE) this.counters[COUNTER.resets]! += 1;
    else this.memory.countFailure(PHASE.send, errno);
    this.end(slot);
  }
}
