// What goes over a server's connections: a greeting, echoes, or nothing. A connection has its share of a turn, and what a peer does
// not take waits: in the kernel, or in a bounded place here.
import { type ConnectionTable, FREE } from "../engine/connection-table.js";
import { SlotQueue } from "../engine/slot-queue.js";
import type { Shard } from "../engine/worker.js";
import { PHASE, type ShardMemory } from "../engine/worker-memory.js";
import { EPOLLET, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "../linux/syscalls/constants.js";
import { EAGAIN, ECONNRESET, EPIPE } from "../linux/syscalls/errno.js";
import { NativeBuffer } from "../linux/syscalls/libc.js";
import { createServerProtocol, type ServerProtocol } from "../protocols/server-protocol.js";
import { Unsent } from "./unsent.js";
import { COUNTER, type ServeMessage, type ServePlan } from "./worker-plan.js";

// A connection's state. In all but OPEN nothing is read until the kernel takes what there is to send.
export const OPEN = 1;
/** The greeting is not yet sent whole. */
const GREETING = 2;
/** A part of an answer is kept in `unsent`. */
const BLOCKED = 3;
/** An answer waits unread in the kernel: there is no room for more of them here. */
const WAITING = 4;

/** What is waited for on every connection, and on one that is blocked. */
export const EVENTS = EPOLLIN | EPOLLRDHUP | EPOLLET;
export const BLOCKED_EVENTS = EVENTS | EPOLLOUT;
const READ_BYTES = 64 * 1024;
// A connection's share of a turn: one full buffer, or some that are not full.
const READS_AT_ONCE = 4;
const GREETING_BYTES_AT_ONCE = 256 * 1024;

export class Exchange {
  /** Connections that have had their share of a turn. */
  readonly leftovers = new SlotQueue();
  /** Memory is at its floor: nothing more is kept for peers that do not read. */
  isPaused = false;
  private readonly shard: Shard<ServePlan, ServeMessage>;
  private readonly table: ConnectionTable;
  private readonly memory: ShardMemory;
  private readonly counters: Float64Array;
  private readonly protocol: ServerProtocol;
  private readonly greeting: NativeBuffer;
  private readonly buffer = new NativeBuffer(READ_BYTES);
  private readonly unsent: Unsent;
  /** How much of the greeting is sent on GREETING connections, by slot. */
  private greeted = new Int32Array(0);
  private readonly echoes: boolean;
  private readonly close: (slot: number) => void;

  /** @param close closes a connection and counts that */
  constructor(shard: Shard<ServePlan, ServeMessage>, table: ConnectionTable, close: (slot: number) => void) {
    const { mode, greeting, closeAfterGreeting, shared } = shard.plan;
    this.shard = shard;
    this.table = table;
    this.memory = shard.memory;
    this.counters = shard.memory.counters;
    this.close = close;
    this.protocol = createServerProtocol({ mode, greeting, closesAfterGreeting: closeAfterGreeting });
    this.greeting = NativeBuffer.from(this.protocol.greeting);
    this.unsent = new Unsent(new Int32Array(shared));
    this.echoes = mode === "echo";
  }

  /** A new connection in `slot`. */
  open(slot: number): void {
    if (this.protocol.greeting.length > 0) this.greet(slot, 0);
  }

  /** Goes on with connections that had more to do than their share, at most `count`. */
  goOn(count: number): void {
    for (let n = Math.min(this.leftovers.length, count); n > 0; n--) this.handle(this.leftovers.shift(), true);
  }

  /** The connection in `slot` has ended: nothing is kept for it any more. */
  forget(slot: number): void {
    this.unsent.drop(slot);
  }

  /** @param hasEnded the peer has sent all, perhaps: reads until the kernel says so */
  handle(slot: number, hasEnded: boolean): void {
    // An earlier event of this batch may have closed it.
    const state = this.table.state(slot);
    if (state === FREE) return;
    if (state === GREETING) this.greet(slot, this.greeted[slot]!);
    else if (state === BLOCKED) this.unblock(slot);
    else if (state === WAITING) this.table.setState(slot, OPEN);
    if (this.table.state(slot) !== OPEN) return;
    if (this.echoes && (this.isPaused || !this.unsent.hasRoom)) this.echoUnkept(slot, state === WAITING);
    else this.read(slot, hasEnded);
    if (state === WAITING && this.table.state(slot) === OPEN) this.watch(slot, EVENTS);
  }

  /** Reads and answers all there is, up to a connection's share of a turn: events are edge-triggered. */
  private read(slot: number, hasEnded: boolean): void {
    for (let n = 0; n < READS_AT_ONCE; n++) {
      const received = this.table.receive(slot, this.buffer);
      if (received <= 0) {
        if (received !== -EAGAIN) this.ended(slot, -received);
        return;
      }
      this.counters[COUNTER.receivedBytes]! += received;
      const answer = this.protocol.answerLength(received);
      if (answer > 0) this.answer(slot, answer);
      if (this.table.state(slot) !== OPEN) return;
      if (received === READ_BYTES) break;
      if (!hasEnded) return;
    }
    this.leftovers.push(slot);
  }

  /** Sends the first bytes of the buffer back, and keeps what the kernel does not take. */
  private answer(slot: number, length: number): void {
    const sent = this.table.send(slot, this.buffer, 0, length);
    if (sent < 0 && sent !== -EAGAIN) {
      this.failToSend(slot, -sent);
      return;
    }
    const taken = Math.max(0, sent);
    this.counters[COUNTER.sentBytes]! += taken;
    if (taken === length) return;
    this.unsent.keep(slot, this.buffer, taken, length);
    this.block(slot, BLOCKED);
  }

  /** Echoes what the kernel takes and leaves the rest where it is: unread, until the peer reads. */
  private echoUnkept(slot: number, isWatched: boolean): void {
    const peeked = this.table.peek(slot, this.buffer);
    if (peeked <= 0) {
      if (peeked !== -EAGAIN) this.ended(slot, -peeked);
      return;
    }
    const sent = this.table.send(slot, this.buffer, 0, peeked);
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

  /** Sends the rest of a blocked answer. */
  private unblock(slot: number): void {
    const sent = this.unsent.send(slot, this.table);
    if (sent === -EAGAIN) return;
    if (sent < 0) {
      this.failToSend(slot, -sent);
      return;
    }
    this.counters[COUNTER.sentBytes]! += sent;
    if (!this.unsent.isSent(slot)) return;
    this.unsent.drop(slot);
    this.reopen(slot);
  }

  /** Sends the greeting from byte `from` on, up to a connection's share of a turn. */
  greet(slot: number, from: number): void {
    const { greeting, closesAfterGreeting } = this.protocol;
    const wanted = Math.min(greeting.length - from, GREETING_BYTES_AT_ONCE);
    const sent = this.table.send(slot, this.greeting, from, wanted);
    if (sent < 0 && sent !== -EAGAIN) {
      this.failToSend(slot, -sent);
      return;
    }
    const taken = Math.max(0, sent);
    this.counters[COUNTER.sentBytes]! += taken;
    if (from + taken === greeting.length) {
      if (closesAfterGreeting) this.close(slot);
      else if (this.table.state(slot) === GREETING) this.reopen(slot);
      return;
    }
    if (slot >= this.greeted.length) this.greeted = grown(this.greeted, slot);
    this.greeted[slot] = from + taken;
    if (this.table.state(slot) !== GREETING) this.block(slot, GREETING);
    if (taken === wanted) this.leftovers.push(slot);
  }

  /** Waits until the kernel takes more. */
  private block(slot: number, state: number): void {
    this.table.setState(slot, state);
    this.watch(slot, EVENTS | EPOLLOUT);
  }

  private reopen(slot: number): void {
    this.table.setState(slot, OPEN);
    this.watch(slot, EVENTS);
  }

  /** The peer or the network ended a connection. @param errno 0 for the peer's FIN */
  private ended(slot: number, errno: number): void {
    if (errno === ECONNRESET) this.counters[COUNTER.resets]! += 1;
    else if (errno > 0) this.memory.countFailure(PHASE.receive, errno);
    this.close(slot);
  }

  private failToSend(slot: number, errno: number): void {
    if (errno === ECONNRESET || errno === EPIPE) this.counters[COUNTER.resets]! += 1;
    else this.memory.countFailure(PHASE.send, errno);
    this.close(slot);
  }

  /** Changes what is waited for; a parked connection, which has no descriptor to do it by, waits for everything. */
  watch(slot: number, events: number): void {
    const fd = this.table.descriptor(slot);
    if (fd >= 0) this.shard.epoll.modify(fd, events, slot);
  }
}

/** A copy with room for `slot`. */
function grown(array: Int32Array<ArrayBuffer>, slot: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(Math.max(slot + 1, array.length * 2));
  larger.set(array);
  return larger;
}
