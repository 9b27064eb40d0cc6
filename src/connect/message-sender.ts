// Sends a message over every open connection at a fixed interval, and times the echoes. The schedule is open-loop:
// message k of a connection is due at a moment computed beforehand and its latency counts from that moment, so a
// server that stalls cannot hide its stall (no coordinated omission).
import type { RecordableHistogram } from "node:perf_hooks";
import type { ConnectionTable } from "../engine/connection-table.js";
import { toMicros } from "../engine/latency.js";
import { CONTROL, PHASE, type ShardMemory } from "../engine/shard-memory.js";
import { MessageProbe } from "../protocol/message-probe.js";
import { EAGAIN } from "../sys/errno.js";
import { NativeBuffer } from "../sys/libc.js";
import { COUNTER } from "./protocol.js";

// Whoever asks for more than can be sent still gets answers read, and an end when it is told to end.
const SLOTS_AT_ONCE = 512;

export class MessageSender {
  private readonly message: NativeBuffer;
  private readonly length: number;
  private readonly intervalMs: number;
  private readonly memory: ShardMemory;
  private readonly roundTrip: RecordableHistogram;
  private readonly probe: MessageProbe;
  private readonly startMs = performance.now();
  /** The interval is dealt evenly to this many slots: each connection's turn is its slot's. Spare slots share the last one. */
  private readonly turns: number;
  private readonly table: ConnectionTable;
  /** In which interval the oldest unanswered message of a slot was due. */
  private readonly oldestRound: Float64Array;
  /** 1 once a message of the slot's connection was answered. */
  private readonly hasAnswered: Uint8Array;
  /** Unsent rests of messages that the kernel took in part, by slot. */
  private readonly unsent = new Map<number, number>();
  private round = 0;
  private slot = 0;

  /**
   * @param slots that may ever be in use
   * @param turns connections that this shard will hold
   */
  constructor(
    table: ConnectionTable,
    message: { readonly bytes: Uint8Array; readonly intervalMs: number },
    memory: ShardMemory,
    roundTrip: RecordableHistogram,
    slots: number,
    turns: number,
  ) {
    this.table = table;
    this.message = NativeBuffer.from(message.bytes);
    this.length = message.bytes.length;
    this.intervalMs = message.intervalMs;
    this.memory = memory;
    this.roundTrip = roundTrip;
    this.probe = new MessageProbe(message.bytes, slots);
    this.turns = turns;
    this.oldestRound = new Float64Array(slots);
    this.hasAnswered = new Uint8Array(slots);
  }

  /** A new connection in `slot`. */
  open(slot: number): void {
    this.probe.open(slot);
    this.unsent.delete(slot);
    this.hasAnswered[slot] = 0;
  }

  /** The connection in `slot` has ended: what it has not answered stays so. */
  end(slot: number): void {
    this.memory.counters[COUNTER.abandonedMessages]! += this.probe.unanswered(slot);
  }

  /** Whether what comes next may answer a message. */
  awaitsAnswer(slot: number): boolean {
    return this.probe.unanswered(slot) > 0;
  }

  /** Milliseconds until the next message is due; Infinity when no more are to be sent. */
  nextDueInMs(): number {
    if (this.isPaused) return Number.POSITIVE_INFINITY;
    return Math.max(0, this.dueMs(this.round, this.slot) - performance.now());
  }

  /** Sends everything that is due in slots below `end` that are open, unless no more is to be sent. */
  sendDue(nowMs: number, end: number, isOpen: (slot: number) => boolean): void {
    if (this.isPaused) {
      this.memory.counters[COUNTER.isPaused] = 1;
      return;
    }
    for (let n = 0; n < SLOTS_AT_ONCE && this.dueMs(this.round, this.slot) <= nowMs; n++) {
      if (isOpen(this.slot)) this.send(this.slot);
      this.slot++;
      if (this.slot >= end) {
        this.slot = 0;
        this.round++;
      }
    }
  }

  /** Goes on with a message that was taken in part. */
  resume(slot: number): void {
    const offset = this.unsent.get(slot);
    if (offset !== undefined) this.push(slot, offset);
  }

  /** Takes received bytes and records the latency of every message they complete. */
  receive(slot: number, bytes: Uint8Array, length: number): void {
    const completed = this.probe.receive(slot, bytes, length);
    for (let n = 0; n < completed; n++) {
      const latencyMs = performance.now() - this.dueMs(this.oldestRound[slot]!, slot);
      this.roundTrip.record(toMicros(latencyMs * 1000));
      this.oldestRound[slot]! += 1;
    }
    const { counters } = this.memory;
    counters[COUNTER.answeredMessages]! += completed;
    if (completed === 0 || this.hasAnswered[slot] === 1) return;
    this.hasAnswered[slot] = 1;
    counters[COUNTER.answeringConnections]! += 1;
  }

  private get isPaused(): boolean {
    return Atomics.load(this.memory.control, CONTROL.paused) === 1;
  }

  private send(slot: number): void {
    const { counters } = this.memory;
    if (this.unsent.has(slot)) {
      counters[COUNTER.blockedMessages]! += 1;
      return;
    }
    if (this.push(slot, 0)) {
      counters[COUNTER.sentMessages]! += 1;
      if (this.probe.sent(slot) === 0) this.oldestRound[slot] = this.round;
    }
  }

  /** Sends the message from `offset` on. @returns whether the kernel took any of it */
  private push(slot: number, offset: number): boolean {
    const sent = this.table.send(slot, this.message, offset, this.length - offset);
    if (sent < 0) {
      // A reset that send() meets first is told by epoll too, and counted there.
      if (sent === -EAGAIN) this.memory.counters[COUNTER.blockedMessages]! += 1;
      else this.memory.countFailure(PHASE.send, -sent);
      return false;
    }
    this.memory.counters[COUNTER.sentBytes]! += sent;
    if (offset + sent < this.length) this.unsent.set(slot, offset + sent);
    else this.unsent.delete(slot);
    return true;
  }

  private dueMs(round: number, slot: number): number {
    return this.startMs + (round + Math.min(1, slot / this.turns)) * this.intervalMs;
  }
}
