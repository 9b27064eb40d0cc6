// Sends a message over every open connection at a fixed interval. The schedule is open-loop: due times are computed in
// advance and latency is measured from them, so a stalled server cannot hide its stall (no coordinated omission). A due
// message is sent, however late, or else counted as missed. Without a rate (closed-loop.ts), a connection's next
// message follows its previous answer.
import { CONTROL, type WorkerMemory } from "../../engine/worker-memory.js";
import { COUNTER } from "../metrics.js";
import { MOST_BEGUN, NONE, type Rounds } from "./rounds.js";
import type { MessageSchedule } from "./schedule.js";

// This limits a turn, so that even a rate too high to sustain leaves time to read answers and to notice the stop
// command.
const SLOTS_AT_ONCE = 512;
/** Number of slots after which the clock is read again. */
const SLOTS_PER_CLOCK_READING = 32;
// After a peer stalls, a connection's backlog is sent in portions, so that other connections get their turn.
const MESSAGES_AT_ONCE = 256;
const BYTES_AT_ONCE = 4 * 1024 * 1024;
/** A message sent more than this long after its due time counts as late. */
const LATE_MS = 1;
/** Maximum time to keep sending due messages at the end of the run. */
const GRACE_MS = 100;
/** Number of slots to look ahead for an open connection worth waking up for. */
const SLOTS_AHEAD = 64;

/** Carrier of messages, implemented by the client's exchange. */
export interface MessageCarrier {
  /**
   * Starts up to `most` messages that are due, and sends them together.
   * @returns number of bytes sent at once, or a negative errno
   */
  due(slot: number, most: number): number;
  /** Size in bytes of each message started by the last due(), if there were several. */
  readonly begunBytes: number;
  /** Resends the outstanding message over a new connection. */
  repeat(slot: number): void;
  /**
   * Continues sending pending bytes.
   * @returns number of bytes sent
   */
  resume(slot: number): number;
  /** Returns whether bytes are waiting to be sent. */
  isBlocked(slot: number): boolean;
  /** Returns whether the next message, although due, must wait for an answer or a connection. */
  isBusy(slot: number): boolean;
  /** Whether each message of a connection waits for the previous answer. */
  readonly alternates: boolean;
  /** Whether messages due at the same time may be sent together. */
  readonly gathers: boolean;
}

export class MessageSender {
  private readonly carrier: MessageCarrier;
  private readonly rounds: Rounds;
  private readonly schedule: MessageSchedule;
  private readonly control: Int32Array;
  private readonly counters: Float64Array;
  /** Time when the pause was requested; 0 before that. */
  private pausedMs = 0;

  constructor(carrier: MessageCarrier, rounds: Rounds, schedule: MessageSchedule, memory: WorkerMemory) {
    this.carrier = carrier;
    this.rounds = rounds;
    this.schedule = schedule;
    this.control = memory.control;
    this.counters = memory.counters;
  }

  /** Returns the milliseconds until the next message is due; Infinity after the pause. */
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

  /**
   * Called when a new connection occupies `slot`.
   * @param most maximum number of messages for the connection; only with a limit
   */
  opened(slot: number, most: number): void {
    const { rounds, counters } = this;
    rounds.open(slot);
    if (!rounds.isLimited) return;
    rounds.limit(slot, most);
    counters[COUNTER.remainingMessages]! += most;
  }

  /** Sends a connection's first message; the connection is ready once it is answered. */
  sendFirst(slot: number): void {
    const { rounds, schedule } = this;
    const nowMs = performance.now();
    this.counters[COUNTER.dueMessages]! += 1;
    schedule.begin(slot);
    if (schedule.isTimed) rounds.setFirst(slot, nowMs);
    rounds.next[slot] = schedule.isTimed ? schedule.lastRound(slot) + 1 : 1;
    this.carrier.due(slot, 1);
    this.flush(slot, nowMs);
  }

  /** Called when the connection in `slot` is ready for messages. */
  ready(slot: number): void {
    const { rounds, schedule } = this;
    // Earlier rounds are not due.
    if (rounds.isFirst(slot)) {
      rounds.setReady(slot);
      rounds.next[slot] = schedule.lastRound(slot) + 1;
    }
    if (schedule.isTimed) return;
    if (rounds.next[slot] === NONE) rounds.next[slot] = 1;
    this.flush(slot, performance.now());
  }

  /** Called when the connection in `slot` has ended and will be reopened when its next message is due. */
  vacated(slot: number): void {
    const { rounds, schedule, counters } = this;
    const partial = rounds.partial(slot);
    rounds.undo(slot);
    if (!schedule.isTimed) counters[COUNTER.dueMessages]! -= partial;
    // Asking the carrier whether it is busy makes it reopen the connection.
    if (rounds.unanswered(slot) > 0) this.carrier.isBusy(slot);
    else this.resume(slot);
  }

  /**
   * Called when a connection has been reopened. Sends the message that its predecessor left unanswered, or else the
   * next one.
   */
  reopened(slot: number): void {
    if (this.rounds.unanswered(slot) > 0) this.carrier.repeat(slot);
    else this.flush(slot, performance.now());
  }

  /** Sends all due messages of open slots. A round covers all slots below `end`. */
  sendDue(nowMs: number, end: number, isOpen: (slot: number) => boolean): void {
    if (this.counters[COUNTER.isPaused] === 1) return;
    if (this.isPausing && this.pausedMs === 0) this.pausedMs = nowMs;
    const { schedule, pausedMs } = this;
    schedule.wake(nowMs);
    this.counters[COUNTER.movedMs] = schedule.movedMs;
    let untilMs = pausedMs > 0 ? pausedMs : nowMs;
    let readMs = nowMs;
    for (let n = 1; n <= SLOTS_AT_ONCE && schedule.nextMs <= untilMs; n++) {
      if (isOpen(schedule.slot)) this.turn(schedule.slot, readMs, untilMs);
      schedule.advance(end);
      if (n % SLOTS_PER_CLOCK_READING !== 0) continue;
      readMs = performance.now();
      if (pausedMs === 0) untilMs = readMs;
    }
    if (pausedMs > 0 && (schedule.nextMs > pausedMs || nowMs - pausedMs > GRACE_MS)) this.pause(end, isOpen);
  }

  /**
   * Continues sending the backlog of a connection that accepts bytes again.
   * @param isClosing whether the connection closes once its bytes are sent, so that no further message may begin
   * @returns whether the connection has had any message
   */
  resume(slot: number, isClosing = false): boolean {
    const next = this.rounds.next[slot]!;
    if (next === NONE) return false;
    const lastRound = isClosing ? 0 : this.lastRound(slot);
    if (this.carrier.isBlocked(slot) || next <= lastRound) this.flush(slot, performance.now(), lastRound);
    return true;
  }

  private get isPausing(): boolean {
    return Atomics.load(this.control, CONTROL.paused) === 1;
  }

  /**
   * Handles a slot whose message of this round is due.
   * @param untilMs other messages due by then may be sent together with this one
   */
  private turn(slot: number, nowMs: number, untilMs: number): void {
    const { rounds, carrier, counters, schedule } = this;
    const { round } = schedule;
    if (rounds.next[slot] === NONE) rounds.next[slot] = round;
    const lastAllowed = rounds.lastAllowed(slot);
    // The message went out together with an earlier one, or the connection has reached its limit.
    if (rounds.next[slot]! > round || round > lastAllowed) return;
    counters[COUNTER.dueMessages]! += 1;
    if (carrier.isBlocked(slot)) {
      counters[COUNTER.blockedMessages]! += 1;
      return;
    }
    const lastRound = carrier.gathers ? Math.max(round, schedule.lastRoundDue(slot, untilMs)) : round;
    this.flush(slot, nowMs, Math.min(lastRound, lastAllowed));
    counters[COUNTER.dueMessages]! += Math.max(0, rounds.next[slot]! - 1 - round);
  }

  /** Returns the last round in which a message of `slot` is due. */
  private lastRound(slot: number): number {
    return Math.min(this.schedule.lastRound(slot), this.rounds.lastAllowed(slot));
  }

  /**
   * Sends due messages up to `lastRound` for as long as the peer accepts bytes. After the pause, only completes a
   * message already started. If each message waits for the previous answer, also sends those that were due before the
   * pause.
   */
  private flush(slot: number, nowMs: number, lastRound = this.lastRound(slot)): void {
    const { counters, carrier, rounds, schedule } = this;
    const isOver = counters[COUNTER.isPaused] === 1 && !(carrier.alternates && schedule.isTimed);
    let bytes = carrier.isBlocked(slot) ? carrier.resume(slot) : 0;
    for (let left = MESSAGES_AT_ONCE; !carrier.isBlocked(slot); ) {
      const begun = rounds.partial(slot);
      if (begun > 0) this.noteSent(slot, nowMs, begun);
      left -= begun;
      const owed = lastRound - rounds.next[slot]! + 1;
      if (isOver || owed <= 0 || left <= 0 || bytes >= BYTES_AT_ONCE) return;
      if (carrier.isBusy(slot)) return;
      if (!schedule.isTimed) {
        schedule.begin(slot);
        counters[COUNTER.dueMessages]! += 1;
      }
      const sent = carrier.due(slot, carrier.gathers ? Math.min(owed, MOST_BEGUN) : 1);
      // The protocol may have closed the connection meanwhile.
      if (rounds.next[slot] === NONE) return;
      const together = rounds.partial(slot);
      if (sent === 0) counters[COUNTER.blockedMessages]! += together;
      bytes += Math.max(0, sent);
      if (together <= 1 || sent <= 0 || !carrier.isBlocked(slot)) continue;
      // Record which messages have been sent completely. All messages of a connection have the same length.
      this.noteSent(slot, nowMs, Math.floor((together * sent) / carrier.begunBytes));
    }
  }

  /** Counts the oldest `count` partial messages as completely sent. */
  private noteSent(slot: number, nowMs: number, count: number): void {
    const { rounds, schedule, counters } = this;
    const oldest = rounds.next[slot]! - rounds.partial(slot);
    rounds.finish(slot, count);
    counters[COUNTER.sentMessages]! += count;
    if (rounds.isLimited && !rounds.isAnswered) counters[COUNTER.remainingMessages]! -= count;
    for (let n = 0; n < count; n++) this.noteDelay(nowMs - rounds.dueMs(schedule, oldest + n, slot));
  }

  private noteDelay(delayMs: number): void {
    if (delayMs <= LATE_MS) return;
    const { counters } = this;
    counters[COUNTER.lateMessages]! += 1;
    if (delayMs > counters[COUNTER.longestDelayMs]!) counters[COUNTER.longestDelayMs] = delayMs;
  }

  /** Stops sending. Messages that the cursor has not reached still count as due. */
  private pause(end: number, isOpen: (slot: number) => boolean): void {
    const { schedule, counters, pausedMs, rounds } = this;
    const { round, slot: cursor } = schedule;
    schedule.passOver(pausedMs);
    for (let slot = 0; slot < end && schedule.isTimed; slot++) {
      if (!isOpen(slot)) continue;
      const before = slot < cursor ? round : round - 1;
      // Messages sent together with earlier ones have been counted.
      const counted = Math.max(before, rounds.next[slot]! - 1);
      if (schedule.lastRound(slot) <= counted) continue;
      if (rounds.next[slot] === NONE) rounds.next[slot] = before + 1;
      counters[COUNTER.dueMessages]! += Math.max(0, this.lastRound(slot) - counted);
    }
    counters[COUNTER.isPaused] = 1;
  }
}
