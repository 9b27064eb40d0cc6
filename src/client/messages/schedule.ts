// Schedule of messages. The interval is divided evenly among the connections, and a cursor visits all of them round by
// round, whether or not they are open. The caller supplies the time. A thread that was suspended does not catch up: the
// schedule shifts, and messages that were due in the meantime are late by the time of the suspension.

import { Sleep } from "../evidence/sleep.js";

/** Maximum delay to catch up on. A thread that waits longer than this for a CPU counts as suspended. */
const MOST_OVERSLEPT_MS = 250;

/** Where in the interval each slot's message is due, as `slots[slot] / of`, in ascending order. */
export interface Places {
  readonly slots: Uint32Array;
  readonly of: number;
}

export class MessageSchedule {
  /** Whether messages are due at times that do not depend on answers. */
  readonly isTimed: boolean = true;
  /** Cursor: round (counted from 1) and slot of the next message. */
  round = 1;
  slot = 0;
  /** Total time by which suspensions have shifted the schedule. */
  movedMs = 0;
  readonly startMs: number;
  private readonly intervalMs: number;
  private readonly places: Places | undefined;
  /** Number of slots among which the interval is divided. */
  readonly turns: number;
  private readonly sleep: Sleep;
  /** Length of each suspension, and the position, in intervals since the start, of the first message due after it. */
  private readonly moves: number[] = [];
  private readonly ends: number[] = [];
  private lastEnd = Number.NEGATIVE_INFINITY;

  /**
   * @param turns number of slots among which the interval is divided; higher slots share the last turn
   * @param places share of the interval before each slot's message, ascending; default: divided evenly
   */
  constructor(startMs: number, intervalMs: number, turns: number, places?: Places) {
    this.startMs = startMs;
    this.sleep = new Sleep(startMs);
    this.intervalMs = intervalMs;
    this.turns = turns;
    this.places = places;
  }

  /**
   * Returns a schedule that takes turns with those of other threads and machines: its messages are due at certain places
   * of an interval that has begun already. Nothing is due before now.
   *
   * @param sinceMs beginning of any interval, by the same clock as `nowMs`
   */
  static within(sinceMs: number, nowMs: number, intervalMs: number, places: Places): MessageSchedule {
    const elapsedMs = (((nowMs - sinceMs) % intervalMs) + intervalMs) % intervalMs;
    const schedule = new MessageSchedule(nowMs - elapsedMs, intervalMs, places.slots.length, places);
    schedule.passOver(nowMs);
    schedule.wake(nowMs);
    return schedule;
  }

  /** Time at which to send the message at the cursor. */
  get nextMs(): number {
    return this.sendMs(this.round, this.slot);
  }

  /** Returns the time at which to send a message, shifted by the suspensions known so far. */
  sendMs(round: number, slot: number): number {
    return this.startMs + this.movedMs + this.place(round, slot) * this.intervalMs;
  }

  /** Returns the time at which a message was due; its latency is measured from here. */
  dueMs(round: number, slot: number): number {
    const place = this.place(round, slot);
    const movedMs = place >= this.lastEnd ? this.movedMs : this.movedBefore(place);
    return this.startMs + movedMs + place * this.intervalMs;
  }

  /** Advances the cursor. A round covers at least the slots below `end`. */
  advance(end: number): void {
    this.slot++;
    if (this.slot < this.turns || this.slot < end) return;
    this.slot = 0;
    this.round++;
  }

  /** Returns the last round that has reached `slot`, or 0 if none has. */
  lastRound(slot: number): number {
    return slot < this.slot ? this.round : this.round - 1;
  }

  /** Returns the last round whose message to `slot` is due by `ms`, wherever the cursor is. */
  lastRoundDue(slot: number, ms: number): number {
    return Math.floor(this.placeAt(ms) - this.place(1, slot)) + 1;
  }

  /** Returns the number of rounds that have reached `slot` since round `next`, inclusive. */
  owed(slot: number, next: number): number {
    // Messages sent together may be ahead of the cursor.
    return Math.max(0, this.lastRound(slot) - next + 1);
  }

  /** Called before a message of `slot` begins. */
  begin(_slot: number): void {
    // Nothing to do: the schedule already determines the message's due time.
  }

  /** Allows the thread to sleep until this time. */
  promise(untilMs: number): void {
    this.sleep.promise(untilMs);
  }

  /** Called when the thread wakes up. If the thread overslept, the rest of the schedule is shifted by that time. */
  wake(nowMs: number): void {
    const stoodMs = this.sleep.end(nowMs);
    if (stoodMs <= MOST_OVERSLEPT_MS || this.nextMs > nowMs) return;
    const end = this.placeAt(nowMs);
    this.moves.push(stoodMs);
    this.ends.push(end);
    this.lastEnd = Math.max(this.lastEnd, end);
    this.movedMs += stoodMs;
  }

  /** Moves the cursor past all messages due by `nowMs`. */
  passOver(nowMs: number): void {
    if (this.nextMs > nowMs) return;
    const place = Math.max(this.placeAt(nowMs), this.place(this.round, this.slot));
    this.round = Math.floor(place) + 1;
    this.slot = this.places ? this.slotsUntil(place) : Math.floor((place % 1) * this.turns) + 1;
  }

  /** Returns the number of slots whose message of the present round is due by `place`. */
  private slotsUntil(place: number): number {
    let [from, to] = [0, this.turns];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (this.place(this.round, middle) <= place) from = middle + 1;
      else to = middle;
    }
    return from;
  }

  private place(round: number, slot: number): number {
    const { turns, places } = this;
    if (slot >= turns) return round;
    return round - 1 + (places ? places.slots[slot]! / places.of : slot / turns);
  }

  private placeAt(ms: number): number {
    return (ms - this.startMs - this.movedMs) / this.intervalMs;
  }

  /** Returns the total length of the suspensions that ended before the message at `place` was due. */
  private movedBefore(place: number): number {
    let movedMs = 0;
    for (let n = 0; n < this.moves.length; n++) if (place >= this.ends[n]!) movedMs += this.moves[n]!;
    return movedMs;
  }
}
