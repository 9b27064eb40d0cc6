// Sends a message over every open connection at a fixed interval. The schedule is open-loop: a message is due at a moment computed
// beforehand and its latency counts from that moment, so a server that stalls cannot hide its stall (no coordinated omission).
// What is due is sent, however late, or counted as missed.
import { CONTROL, type WorkerMemory } from "../../engine/worker-memory.js";
import { COUNTER } from "../metrics.js";
import { NONE, type Rounds } from "./rounds.js";
import type { MessageSchedule } from "./schedule.js";

// Whoever asks for more than can be sent still gets answers read, and an end when it is told to end.
const SLOTS_AT_ONCE = 512;
/** The clock is read again after this many slots. */
const SLOTS_PER_CLOCK_READING = 32;
// What a connection owes after its peer has stalled is sent in portions: the others have their turns.
const MESSAGES_AT_ONCE = 256;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
/** Later than this after its moment a message is late. */
const LATE_MS = 1;
/** When the run ends, what is due is sent for this long at most. */
const GRACE_MS = 100;
/** So many slots ahead are looked at for one that is open, and worth waking up for. */
const SLOTS_AHEAD = 64;

/** What carries messages: the client's exchange. */
export interface MessageCarrier {
  /** Tells the protocol that a message is due. @returns bytes of it that are sent at once, or a negative errno */
  due(slot: number): number;
  /** Goes on with what waits to be sent. @returns bytes sent */
  resume(slot: number): number;
  /** Whether bytes wait to be sent. */
  isBlocked(slot: number): boolean;
}

export class MessageSender {
  private readonly carrier: MessageCarrier;
  private readonly rounds: Rounds;
  private readonly schedule: MessageSchedule;
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  /** When it was told to send no more; 0 before. */
  private pausedMs = 0;

  constructor(carrier: MessageCarrier, rounds: Rounds, schedule: MessageSchedule, memory: WorkerMemory) {
    this.carrier = carrier;
    this.rounds = rounds;
    this.schedule = schedule;
    this.control = memory.control;
    this.counters = memory.counters;
  }

  /** Milliseconds until the next message is due; Infinity when no more are to be sent. */
  nextDueInMs(isOpen: (slot: number) => boolean): number {
    if (this.counters[COUNTER.isPaused] === 1) return Number.POSITIVE_INFINITY;
    const { schedule } = this;
    let { slot } = schedule;
    const end = Math.min(slot + SLOTS_AHEAD, schedule.turns - 1);
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
    let readMs = nowMs;
    for (let n = 1; n <= SLOTS_AT_ONCE && schedule.nextMs <= untilMs; n++) {
      if (isOpen(schedule.slot)) this.turn(schedule.slot, readMs);
      schedule.advance(end);
      if (n % SLOTS_PER_CLOCK_READING !== 0) continue;
      readMs = performance.now();
      if (pausedMs === 0) untilMs = readMs;
    }
    if (pausedMs > 0 && (schedule.nextMs > pausedMs || nowMs - pausedMs > GRACE_MS)) this.pause(end, isOpen);
  }

  /** Goes on with what the connection owes, when it takes bytes again. @returns whether it has had a message at all */
  resume(slot: number): boolean {
    const next = this.rounds.next[slot]!;
    if (next === NONE) return false;
    if (this.carrier.isBlocked(slot) || next <= this.schedule.lastRound(slot)) this.flush(slot, performance.now());
    return true;
  }

  private get isPausing(): boolean {
    return Atomics.load(this.control, CONTROL.paused) === 1;
  }

  /** The message of this round is due. */
  private turn(slot: number, nowMs: number): void {
    if (this.rounds.next[slot] === NONE) this.rounds.next[slot] = this.schedule.round;
    this.counters[COUNTER.dueMessages]! += 1;
    if (this.carrier.isBlocked(slot)) this.counters[COUNTER.blockedMessages]! += 1;
    else this.flush(slot, nowMs, this.schedule.round);
  }

  /** Sends what is owed up to `lastRound`, as far as the peer takes it; once no more is to be sent, the rest of what is begun. */
  private flush(slot: number, nowMs: number, lastRound = this.schedule.lastRound(slot)): void {
    const { counters, carrier, rounds } = this;
    const isOver = counters[COUNTER.isPaused] === 1;
    let bytes = carrier.isBlocked(slot) ? carrier.resume(slot) : 0;
    for (let messages = 0; !carrier.isBlocked(slot); messages++) {
      if (rounds.isPartial(slot)) this.noteSent(slot, nowMs);
      if (isOver || rounds.next[slot]! > lastRound || messages >= MESSAGES_AT_ONCE || bytes >= BYTES_AT_ONCE) return;
      const sent = carrier.due(slot);
      // The protocol may have closed the connection.
      if (rounds.next[slot] === NONE) return;
      rounds.begin(slot);
      if (sent === 0) counters[COUNTER.blockedMessages]! += 1;
      bytes += Math.max(0, sent);
    }
  }

  /** The message begun last is sent to its end. */
  private noteSent(slot: number, nowMs: number): void {
    this.rounds.finish(slot);
    this.counters[COUNTER.sentMessages]! += 1;
    this.noteDelay(nowMs - this.schedule.dueMs(this.rounds.next[slot]! - 1, slot));
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
      if (due > 0 && this.rounds.next[slot] === NONE) this.rounds.next[slot] = before + 1;
      counters[COUNTER.dueMessages]! += due;
    }
    counters[COUNTER.isPaused] = 1;
  }
}
