// Tracks for each connection which messages have been started, sent and answered. A message is identified by its round
// of the schedule; each connection has one message per round. Takes 13 bytes per slot.
import { grown } from "../../protocols/columns.js";
import type { MessageSchedule } from "./schedule.js";

/** Marks a connection over which no message has been due yet. Rounds count from 1. */
export const NONE = 0;

// Bits of `marks`: the number of messages that have not been sent completely, and whether any has been answered.
const PARTIAL = 127;
const ANSWERED = 128;

/** Maximum number of messages started at once. */
export const MOST_BEGUN = PARTIAL;

export class Rounds {
  /** Round of the next message to start. */
  next: Float64Array<ArrayBuffer>;
  /** Number of messages started but not answered; always 0 if answers are not expected. */
  private waiting: Uint32Array<ArrayBuffer>;
  private marks: Uint8Array<ArrayBuffer>;
  readonly isAnswered: boolean;
  /** Whether the number of messages of each connection is limited. */
  readonly isLimited: boolean;
  /** Number of messages that may still be started; empty without a limit. */
  private left = new Uint32Array(0);
  /**
   * Time at which each connection's first message was sent outside the schedule, negative until the connection is ready;
   * 0 once it has been answered, and empty if there is no such message.
   */
  private firstMs = new Float64Array(0);

  /**
   * @param slots initial number of slots; grows as needed
   * @param isAnswered whether messages are answered
   * @param isLimited whether a connection only has the messages that limit() allows
   */
  constructor(slots: number, isAnswered: boolean, isLimited = false) {
    this.isAnswered = isAnswered;
    this.isLimited = isLimited;
    this.next = new Float64Array(slots);
    this.waiting = new Uint32Array(slots);
    this.marks = new Uint8Array(slots);
  }

  /** Resets the state of `slot`. */
  open(slot: number): void {
    if (slot >= this.next.length) {
      this.next = grown(this.next, slot);
      this.waiting = grown(this.waiting, slot);
      this.marks = grown(this.marks, slot);
    }
    this.next[slot] = NONE;
    this.waiting[slot] = 0;
    this.marks[slot] = 0;
    if (slot < this.left.length) this.left[slot] = 0;
    if (slot < this.firstMs.length) this.firstMs[slot] = 0;
  }

  /** Sets the number of messages that the connection may start. */
  limit(slot: number, count: number): void {
    if (slot >= this.left.length) this.left = grown(this.left, slot);
    this.left[slot] = count;
  }

  /** Returns the number of messages that may still be started; only with a limit. */
  startable(slot: number): number {
    return this.left[slot]!;
  }

  /** Returns the last round in which the connection may have a message. */
  lastAllowed(slot: number): number {
    return this.isLimited ? this.next[slot]! + this.left[slot]! - 1 : Number.POSITIVE_INFINITY;
  }

  /**
   * Marks the connection's next message as its first: due at `nowMs`, outside the schedule, whose messages are not due
   * before the connection is ready.
   */
  setFirst(slot: number, nowMs: number): void {
    if (slot >= this.firstMs.length) this.firstMs = grown(this.firstMs, slot);
    this.firstMs[slot] = -nowMs;
  }

  /** The connection is ready, although its first message is not answered yet. */
  setReady(slot: number): void {
    this.firstMs[slot] = Math.abs(this.firstMs[slot]!);
  }

  /** Returns whether the connection has sent its first message and is not ready yet. */
  isOpening(slot: number): boolean {
    return slot < this.firstMs.length && this.firstMs[slot]! < 0;
  }

  /** Returns whether the outstanding message is the connection's first, sent outside the schedule. */
  isFirst(slot: number): boolean {
    return slot < this.firstMs.length && this.firstMs[slot] !== 0;
  }

  /** Returns when the message of `round` was due. */
  dueMs(schedule: MessageSchedule, round: number, slot: number): number {
    return this.isFirst(slot) ? Math.abs(this.firstMs[slot]!) : schedule.dueMs(round, slot);
  }

  begin(slot: number): void {
    if (this.isLimited) this.left[slot]! -= 1;
    this.next[slot]! += 1;
    this.marks[slot]! += 1;
    if (this.isAnswered) this.waiting[slot]! += 1;
  }

  /** The last messages, which were only partially sent, will be started again. */
  undo(slot: number): void {
    const partial = this.partial(slot);
    this.next[slot]! -= partial;
    this.marks[slot]! -= partial;
    if (this.isAnswered) this.waiting[slot]! -= partial;
    if (this.isLimited) this.left[slot]! += partial;
  }

  /** Marks the oldest `count` partial messages as completely sent. */
  finish(slot: number, count: number): void {
    this.marks[slot]! -= count;
  }

  /**
   * Marks the oldest `count` messages as answered.
   * @returns whether these are the first answers on this connection
   */
  answer(slot: number, count: number): boolean {
    const marks = this.marks[slot]!;
    this.waiting[slot]! -= count;
    this.marks[slot] = marks | ANSWERED;
    if (slot < this.firstMs.length) this.firstMs[slot] = 0;
    return (marks & ANSWERED) === 0;
  }

  /** Records that the oldest `count` messages no longer wait for answers. */
  drop(slot: number, count: number): void {
    this.waiting[slot]! -= count;
    if (slot < this.firstMs.length) this.firstMs[slot] = 0;
  }

  /**
   * Returns the number of messages started but not completely sent. These are the latest messages, and at most one if
   * messages are answered.
   */
  partial(slot: number): number {
    return this.marks[slot]! & PARTIAL;
  }

  /** Returns the number of messages started but not answered. */
  unanswered(slot: number): number {
    return this.waiting[slot]!;
  }

  /** Returns the number of messages started but not answered or, if messages are not answered, not sent. */
  outstanding(slot: number): number {
    return this.isAnswered ? this.waiting[slot]! : this.partial(slot);
  }

  /** Returns the number of messages completely sent but not answered. */
  awaited(slot: number): number {
    const waiting = this.waiting[slot]!;
    return waiting > 0 ? waiting - this.partial(slot) : 0;
  }

  /** Returns the round of the oldest unanswered message. */
  oldest(slot: number): number {
    return this.next[slot]! - this.waiting[slot]!;
  }
}
