// When each message of each connection is due. The interval is dealt evenly to the connections; a cursor walks over all of
// them, round after round, whether they are open yet or not. It knows no clock. A thread that stood still does not catch up:
// the schedule moves, and the messages that were due meanwhile are late by what it stood.

/** What is caught up at most: a thread that waits longer for its CPU stood still. */
const STANDSTILL_MS = 250;

export class MessageSchedule {
  /** The cursor: the next message is that of this round, counted from 1, and slot. */
  round = 1;
  slot = 0;
  /** By how much standstills have moved it. */
  movedMs = 0;
  readonly startMs: number;
  private readonly intervalMs: number;
  /** Slots that the interval is dealt to. */
  readonly turns: number;
  /** When the thread looked last, and until when it may wait with good reason. */
  private seenMs: number;
  private promisedMs = Number.NEGATIVE_INFINITY;
  /** Each standstill: how long it was, and from which place on (intervals since the start) messages were due after it. */
  private readonly moves: number[] = [];
  private readonly ends: number[] = [];
  private lastEnd = Number.NEGATIVE_INFINITY;

  /** @param turns slots that the interval is dealt to; those above share the last turn */
  constructor(startMs: number, intervalMs: number, turns: number) {
    this.startMs = startMs;
    this.seenMs = startMs;
    this.intervalMs = intervalMs;
    this.turns = turns;
  }

  /** When the message at the cursor is to be sent. */
  get nextMs(): number {
    return this.sendMs(this.round, this.slot);
  }

  /** When the message of a round and slot is to be sent, as far as standstills are known. */
  sendMs(round: number, slot: number): number {
    return this.startMs + this.movedMs + this.place(round, slot) * this.intervalMs;
  }

  /** When the message of a round and slot was due: its latency counts from here. */
  dueMs(round: number, slot: number): number {
    const place = this.place(round, slot);
    const movedMs = place >= this.lastEnd ? this.movedMs : this.movedBefore(place);
    return this.startMs + movedMs + place * this.intervalMs;
  }

  /** The cursor goes on, over slots below `end` at least. */
  advance(end: number): void {
    this.slot++;
    if (this.slot < this.turns || this.slot < end) return;
    this.slot = 0;
    this.round++;
  }

  /** The last round that has come to `slot`; 0 for none. */
  lastRound(slot: number): number {
    return slot < this.slot ? this.round : this.round - 1;
  }

  /** The thread may sleep until this moment. */
  promise(untilMs: number): void {
    this.promisedMs = untilMs;
  }

  /** The thread is awake: what it slept longer than it might moves what is due from now on. */
  wake(nowMs: number): void {
    const stoodMs = nowMs - Math.max(this.seenMs, this.promisedMs);
    this.seenMs = nowMs;
    this.promisedMs = Number.NEGATIVE_INFINITY;
    if (stoodMs <= STANDSTILL_MS || this.nextMs > nowMs) return;
    const end = this.placeAt(nowMs);
    this.moves.push(stoodMs);
    this.ends.push(end);
    this.lastEnd = Math.max(this.lastEnd, end);
    this.movedMs += stoodMs;
  }

  /** The cursor passes over all that is due by now. */
  passOver(nowMs: number): void {
    if (this.nextMs > nowMs) return;
    const place = Math.max(this.placeAt(nowMs), this.place(this.round, this.slot));
    this.round = Math.floor(place) + 1;
    this.slot = Math.floor((place % 1) * this.turns) + 1;
  }

  private place(round: number, slot: number): number {
    return round - 1 + (slot < this.turns ? slot / this.turns : 1);
  }

  private placeAt(ms: number): number {
    return (ms - this.startMs - this.movedMs) / this.intervalMs;
  }

  /** Standstills that were over before the message at `place` was due. */
  private movedBefore(place: number): number {
    let movedMs = 0;
    for (let n = 0; n < this.moves.length; n++) if (place >= this.ends[n]!) movedMs += this.moves[n]!;
    return movedMs;
  }
}
