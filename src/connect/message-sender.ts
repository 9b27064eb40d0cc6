// Sends a message over every open connection at a fixed interval, and times the echoes. The schedule is open-loop:
// message k of a connection is due at a moment computed beforehand and its latency counts from that moment, so a
// server that stalls cannot hide its stall (no coordinated omission).
import type { RecordableHistogram } from "node:perf_hooks";
import { toMicros } from "../engine/latency.js";
import { PHASE, type ShardMemory } from "../engine/shard-memory.js";
import { withRoomFor } from "../engine/state-table.js";
import { MessageProbe } from "../protocol/message-probe.js";
import { EAGAIN } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { sendBytes } from "../sys/socket.js";
import { COUNTER } from "./protocol.js";

export class MessageSender {
  readonly #message: NativeBuffer;
  readonly #length: number;
  readonly #intervalMs: number;
  readonly #memory: ShardMemory;
  readonly #roundTrip: RecordableHistogram;
  readonly #probe: MessageProbe;
  readonly #startMs = performance.now();
  /** The interval is dealt to this many slots, one a descriptor: it spreads the sending evenly. */
  readonly #slots: number;
  /** In which interval the oldest unanswered message of a descriptor was due. */
  #oldestRound: Float64Array;
  /** Unsent rests of messages that the kernel took in part, by descriptor. */
  readonly #unsent = new Map<number, number>();
  #round = 0;
  #slot = 0;

  /** @param slots at least the number of connections this shard will hold */
  constructor(
    message: { readonly bytes: Uint8Array; readonly intervalMs: number },
    memory: ShardMemory,
    roundTrip: RecordableHistogram,
    slots: number,
  ) {
    this.#message = NativeBuffer.from(message.bytes);
    this.#length = message.bytes.length;
    this.#intervalMs = message.intervalMs;
    this.#memory = memory;
    this.#roundTrip = roundTrip;
    this.#probe = new MessageProbe(message.bytes, slots);
    this.#slots = slots;
    this.#oldestRound = new Float64Array(slots);
  }

  /** A new connection on `fd`. */
  open(fd: number): void {
    this.#probe.open(fd);
    this.#unsent.delete(fd);
    this.#oldestRound = withRoomFor(this.#oldestRound, fd);
  }

  /** Milliseconds until the next message is due, given that descriptors up to `highestFd` are in use. */
  nextDueInMs(highestFd: number): number {
    // Slots past the last descriptor have nothing to send: the next one is then in the next round.
    const isPastAll = this.#slot > highestFd;
    const due = isPastAll ? this.#dueMs(this.#round + 1, 0) : this.#dueMs(this.#round, this.#slot);
    return Math.max(0, due - performance.now());
  }

  /** Sends everything that is due on descriptors that are open. */
  sendDue(nowMs: number, highestFd: number, isOpen: (fd: number) => boolean): void {
    while (this.#dueMs(this.#round, this.#slot) <= nowMs) {
      if (isOpen(this.#slot)) this.#send(this.#slot);
      this.#slot++;
      if (this.#slot > highestFd || this.#slot >= this.#slots) {
        this.#slot = 0;
        this.#round++;
      }
    }
  }

  /** Goes on with a message that was taken in part. */
  resume(fd: number): void {
    const offset = this.#unsent.get(fd);
    if (offset !== undefined) this.#push(fd, offset);
  }

  /** Takes received bytes and records the latency of every message they complete. */
  receive(fd: number, bytes: Uint8Array, length: number): void {
    const completed = this.#probe.receive(fd, bytes, length);
    for (let n = 0; n < completed; n++) {
      const latencyMs = performance.now() - this.#dueMs(this.#oldestRound[fd]!, fd);
      this.#roundTrip.record(toMicros(latencyMs * 1000));
      this.#oldestRound[fd]! += 1;
    }
    this.#memory.counters[COUNTER.answeredMessages]! += completed;
  }

  #send(fd: number): void {
    const { counters } = this.#memory;
    if (this.#unsent.has(fd)) {
      counters[COUNTER.blockedMessages]! += 1;
      return;
    }
    if (this.#push(fd, 0)) {
      counters[COUNTER.sentMessages]! += 1;
      if (this.#probe.sent(fd) === 0) this.#oldestRound[fd] = this.#round;
    }
  }

  /** Sends the message from `offset` on. @returns whether the kernel took any of it */
  #push(fd: number, offset: number): boolean {
    const sent = sendBytes(fd, this.#message, offset, this.#length - offset);
    if (sent < 0) {
      // A reset that send() meets first is told by epoll too, and counted there.
      if (sent === -EAGAIN) this.#memory.counters[COUNTER.blockedMessages]! += 1;
      else this.#memory.countFailure(PHASE.send, -sent);
      return false;
    }
    this.#memory.counters[COUNTER.sentBytes]! += sent;
    if (offset + sent < this.#length) this.#unsent.set(fd, offset + sent);
    else this.#unsent.delete(fd);
    return true;
  }

  #dueMs(round: number, slot: number): number {
    return this.#startMs + (round + slot / this.#slots) * this.#intervalMs;
  }
}
