// Sends a message over every open connection at a fixed interval, and times the answers. The schedule is open-loop: a message
// is due at a moment computed beforehand and its latency counts from that moment, so a server that stalls cannot hide
// its stall (no coordinated omission). What is due is sent, however late, or counted as missed.
import { CONTROL, PHASE, type ShardMemory } from "../../engine/worker-memory.js";
import { NativeBuffer } from "../../linux/syscalls/libc.js";
import { MessageProbe } from "../../protocols/message-probe.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import type { Transport } from "../../transport/contract.js";
import { COUNTER, type MessagePlan } from "../worker-plan.js";
import { MessageAges } from "./ages.js";
import { MessageSchedule } from "./schedule.js";

// Whoever asks for more than can be sent still gets answers read, and an end when it is told to end.
const SLOTS_AT_ONCE = 512;
/** The clock is read again after this many slots. */
const SLOTS_A_LOOK = 32;
// What a connection owes after its peer has stalled is sent in portions: the others have their turns.
const MESSAGES_AT_ONCE = 256;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Later than this after its moment a message is late. */
const LATE_MS = 1;
/** When the run ends, what is due is sent for this long at most. */
const GRACE_MS = 100;
/** So many slots ahead are looked at for one that is open, and worth waking up for. */
const SLOTS_AHEAD = 64;
/** No message has been due over this connection: rounds count from 1. */
const NONE = 0;

/** By slot 13 bytes here and 13 in the probe. */
export class MessageSender {
  private readonly message: NativeBuffer;
  private readonly length: number;
  private readonly plan: MessagePlan;
  private readonly memory: ShardMemory;
  private readonly counters: Float64Array;
  private readonly roundTrip: Histogram;
  private readonly probe: MessageProbe;
  private readonly schedule: MessageSchedule;
  private readonly ages: MessageAges;
  private readonly turns: number;
  private readonly transport: Pick<Transport, "send">;
  /** The round whose message is begun next; those of earlier rounds were, from the connection's first one on. */
  private nextRound: Float64Array;
  /** How much of the message begun last the kernel has; 0 when it has all of it. */
  private begunBytes: Uint32Array;
  /** 1 while the kernel takes no more. */
  private isBlocked: Uint8Array;
  /** When it was told to send no more; 0 before. */
  private pausedMs = 0;

  /**
   * @param slots that may ever be in use
   * @param turns connections that this shard will hold
   */
  constructor(
    transport: Pick<Transport, "send">,
    message: MessagePlan,
    memory: ShardMemory,
    roundTrip: Histogram,
    slots: number,
    turns: number,
  ) {
    const startMs = performance.now();
    this.transport = transport;
    this.message = NativeBuffer.from(message.bytes);
    this.length = message.bytes.length;
    this.plan = message;
    this.memory = memory;
    this.counters = memory.counters;
    this.roundTrip = roundTrip;
    this.probe = new MessageProbe(message.bytes, message.expected, slots);
    this.schedule = new MessageSchedule(startMs, message.intervalMs, turns);
    this.ages = new MessageAges(startMs);
    this.turns = turns;
    this.nextRound = new Float64Array(slots);
    this.begunBytes = new Uint32Array(slots);
    this.isBlocked = new Uint8Array(slots);
  }

  /** A new connection in `slot`. */
  open(slot: number): void {
    if (slot >= this.nextRound.length) this.grow(slot);
    this.probe.open(slot);
    this.nextRound[slot] = NONE;
    this.begunBytes[slot] = 0;
    this.isBlocked[slot] = 0;
  }

  /**
   * The connection in `slot` has ended: what it has not answered stays so.
   *
   * @param isOurs this side closed it: then nobody owes an answer
   */
  end(slot: number, isOurs = false): void {
    const { counters, probe } = this;
    if (this.nextRound[slot] !== NONE) {
      const sent = this.awaited(slot);
      const unsent = this.owed(slot);
      counters[COUNTER.abandonedMessages]! += sent;
      if (isOurs) {
        counters[COUNTER.dueMessages]! -= unsent;
        counters[COUNTER.inFlightMessages]! += sent;
      } else {
        counters[COUNTER.missedMessages]! += unsent;
        counters[COUNTER.unansweredMessages]! += sent;
        counters[COUNTER.unansweredOfLost]! += sent;
        this.noteUnanswered(slot, sent, unsent);
      }
    }
    probe.end(slot);
    this.tellBytes();
    this.nextRound[slot] = NONE;
  }

  /**
   * The run is over.
   *
   * @param patienceMs younger messages than this are still on their way, and no failure of the peer's
   */
  finish(patienceMs: number): void {
    const { counters, schedule } = this;
    const nowMs = performance.now();
    for (let slot = 0; slot < this.nextRound.length; slot++) {
      const next = this.nextRound[slot]!;
      if (next === NONE) continue;
      const sent = this.awaited(slot);
      const unsent = this.owed(slot);
      const oldest = next - this.probe.unanswered(slot);
      let young = 0;
      while (young < sent && nowMs - schedule.dueMs(oldest + sent - 1 - young, slot) < patienceMs) young++;
      counters[COUNTER.missedMessages]! += unsent;
      counters[COUNTER.unansweredMessages]! += sent - young;
      counters[COUNTER.inFlightMessages]! += young;
      this.noteUnanswered(slot, sent - young, unsent);
      this.probe.end(slot);
    }
    this.tellBytes();
    const youngestUs = this.ages.recordInto(this.roundTrip, nowMs);
    if (youngestUs !== Number.POSITIVE_INFINITY) counters[COUNTER.youngestUnansweredUs] = youngestUs;
  }

  /** Whether what comes next may answer a message. */
  awaitsAnswer(slot: number): boolean {
    return this.probe.unanswered(slot) > 0;
  }

  /** Milliseconds until the next message is due; Infinity when no more are to be sent. */
  nextDueInMs(isOpen: (slot: number) => boolean): number {
    if (this.counters[COUNTER.isPaused] === 1) return Number.POSITIVE_INFINITY;
    const { schedule } = this;
    let { slot } = schedule;
    const end = Math.min(slot + SLOTS_AHEAD, this.turns - 1);
    while (slot < end && !isOpen(slot)) slot++;
    const dueMs = schedule.sendMs(schedule.round, slot);
    schedule.promise(dueMs);
    return Math.max(0, dueMs - performance.now());
  }

  /** Sends everything that is due in open slots; all slots below `end` have a turn. */
  sendDue(nowMs: number, end: number, isOpen: (slot: number) => boolean): void {
    if (this.counters[COUNTER.isPaused] === 1) return;
    if (this.isPausing && this.pausedMs === 0) this.pausedMs = nowMs;
    const { schedule, pausedMs } = this;
    schedule.wake(nowMs);
    this.counters[COUNTER.movedMs] = schedule.movedMs;
    let untilMs = pausedMs > 0 ? pausedMs : nowMs;
    let lookedMs = nowMs;
    for (let n = 1; n <= SLOTS_AT_ONCE && schedule.nextMs <= untilMs; n++) {
      if (isOpen(schedule.slot)) this.turn(schedule.slot, lookedMs);
      schedule.advance(end);
      if (n % SLOTS_A_LOOK !== 0) continue;
      lookedMs = performance.now();
      if (pausedMs === 0) untilMs = lookedMs;
    }
    if (pausedMs > 0 && (schedule.nextMs > pausedMs || nowMs - pausedMs > GRACE_MS)) this.pause(end, isOpen);
  }

  /** Goes on with what the connection owes, when the kernel takes bytes again. */
  resume(slot: number): void {
    const next = this.nextRound[slot]!;
    if (next === NONE) return;
    this.isBlocked[slot] = 0;
    if (this.begunBytes[slot]! > 0 || next <= this.schedule.lastRound(slot)) this.flush(slot, performance.now());
  }

  /** Takes received bytes and records the latency of every message that they answer. */
  receive(slot: number, bytes: Uint8Array, length: number): void {
    const { counters, probe, schedule } = this;
    let round = this.nextRound[slot]! - probe.unanswered(slot);
    const answered = probe.receive(slot, bytes, length);
    this.tellBytes();
    if (answered === 0) return;
    const nowMs = performance.now();
    for (let n = 0; n < answered; n++) {
      this.roundTrip.record((nowMs - schedule.dueMs(round++, slot)) * 1000);
    }
    counters[COUNTER.answeredMessages]! += answered;
    if (probe.hasBegunToAnswer(slot)) counters[COUNTER.answeringConnections]! += 1;
  }

  private get isPausing(): boolean {
    return Atomics.load(this.memory.control, CONTROL.paused) === 1;
  }

  /** Messages sent as a whole whose answers have not come. */
  private awaited(slot: number): number {
    const waiting = this.probe.unanswered(slot);
    return waiting > 0 && this.begunBytes[slot]! > 0 ? waiting - 1 : waiting;
  }

  /** Messages that were due and are not sent to their end. */
  private owed(slot: number): number {
    return this.schedule.lastRound(slot) - this.nextRound[slot]! + 1 + (this.begunBytes[slot]! > 0 ? 1 : 0);
  }

  private tellBytes(): void {
    this.counters[COUNTER.unaskedBytes] = this.probe.unaskedBytes;
    this.counters[COUNTER.wrongBytes] = this.probe.wrongBytes;
  }

  /** @param sent messages not answered, the oldest first @param unsent those after them that were due and not sent */
  private noteUnanswered(slot: number, sent: number, unsent: number): void {
    if (this.plan.expected === "none") return;
    const { schedule, ages, plan } = this;
    const next = this.nextRound[slot]!;
    const oldest = next - this.probe.unanswered(slot);
    if (sent > 0) ages.note(schedule.dueMs(oldest, slot), plan.intervalMs, sent);
    if (unsent > 0) ages.note(schedule.dueMs(schedule.lastRound(slot) - unsent + 1, slot), plan.intervalMs, unsent);
  }

  /** The message of this round is due. */
  private turn(slot: number, nowMs: number): void {
    if (this.nextRound[slot] === NONE) this.nextRound[slot] = this.schedule.round;
    this.counters[COUNTER.dueMessages]! += 1;
    if (this.isBlocked[slot] === 1) this.counters[COUNTER.blockedMessages]! += 1;
    else this.flush(slot, nowMs, this.schedule.round);
  }

  /** Sends what is owed up to `lastRound`, as far as the kernel takes it; once no more is to be sent, the rest of what is begun. */
  private flush(slot: number, nowMs: number, lastRound = this.schedule.lastRound(slot)): void {
    const { counters, length } = this;
    const isOver = counters[COUNTER.isPaused] === 1;
    for (let messages = 0, bytes = 0; ; messages++) {
      let offset = this.begunBytes[slot]!;
      const isNew = offset === 0;
      if (isNew && (isOver || this.nextRound[slot]! > lastRound)) return;
      if (messages >= MESSAGES_AT_ONCE || bytes >= BYTES_AT_ONCE) return;
      const sent = this.transport.send(slot, this.message, offset, length - offset);
      if (sent <= 0) {
        this.isBlocked[slot] = 1;
        // A reset that send() meets first is told of its own, and counted there.
        if (sent === 0) counters[COUNTER.blockedMessages]! += isNew ? 1 : 0;
        else this.memory.countFailure(PHASE.send, -sent);
        return;
      }
      if (isNew) {
        this.probe.begin(slot);
        this.nextRound[slot]! += 1;
      }
      offset += sent;
      bytes += sent;
      counters[COUNTER.sentBytes]! += sent;
      this.begunBytes[slot] = offset < length ? offset : 0;
      if (offset < length) {
        this.isBlocked[slot] = 1;
        return;
      }
      this.probe.finish(slot);
      counters[COUNTER.sentMessages]! += 1;
      this.noteDelay(nowMs - this.schedule.dueMs(this.nextRound[slot]! - 1, slot));
    }
  }

  private noteDelay(delayMs: number): void {
    if (delayMs <= LATE_MS) return;
    const { counters } = this;
    counters[COUNTER.lateMessages]! += 1;
    if (delayMs > counters[COUNTER.longestDelayMs]!) counters[COUNTER.longestDelayMs] = delayMs;
  }

  /** No more is sent: what the cursor has not come to was due all the same. */
  private pause(end: number, isOpen: (slot: number) => boolean): void {
    const { schedule, counters, pausedMs } = this;
    const { round, slot: cursor } = schedule;
    schedule.passOver(pausedMs);
    for (let slot = 0; slot < end; slot++) {
      if (!isOpen(slot)) continue;
      const before = slot < cursor ? round : round - 1;
      const due = schedule.lastRound(slot) - before;
      if (due > 0 && this.nextRound[slot] === NONE) this.nextRound[slot] = before + 1;
      counters[COUNTER.dueMessages]! += due;
    }
    counters[COUNTER.isPaused] = 1;
  }

  private grow(slot: number): void {
    const length = Math.max(slot + 1, this.nextRound.length * 2);
    const nextRound = new Float64Array(length);
    const begunBytes = new Uint32Array(length);
    const isBlocked = new Uint8Array(length);
    nextRound.set(this.nextRound);
    begunBytes.set(this.begunBytes);
    isBlocked.set(this.isBlocked);
    this.nextRound = nextRound;
    this.begunBytes = begunBytes;
    this.isBlocked = isBlocked;
  }
}
