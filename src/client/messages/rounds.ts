// Tracks for each connection which messages have been started, sent and answered. A message is identified by its round
// of the schedule; each connection has one message per round. Takes 13 bytes per slot.
import { grown } from "../../protocols/columns.js";

/** No message has been due over this connection yet. Rounds count from 1. */
export const NONE = 0;

// Bits of `marks`: the number of messages that have not been sent completely, and whether any has been answered.
const PARTIAL = 127;
const ANSWERED = 128;

/** Maximum number of messages begun at once. */
export const MOST_BEGUN = PARTIAL;

export class Rounds {
  /** Round of the next message to start. */
  next: Float64Array<ArrayBuffer>;
  /** Number of messages started but not answered; always 0 if answers are not expected. */
  private waiting: Uint32Array<ArrayBuffer>;
  private marks: Uint8Array<ArrayBuffer>;
  private readonly isAnswered: boolean;

  /**
   * @param slots initial number of slots; grows as needed
   * @param isAnswered whether messages are answered
   */
  constructor(slots: number, isAnswered: boolean) {
    this.isAnswered = isAnswered;
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
  }

  begin(slot: number): void {
    this.next[slot]! += 1;
    this.marks[slot]! += 1;
    if (this.isAnswered) this.waiting[slot]! += 1;
  }

  /** Marks the oldest `count` partial messages as completely sent. */
  finish(slot: number, count: number): void {
    this.marks[slot]! -= count;
  }

  /** Marks the oldest `count` messages as answered. @returns whether these are the first answers on this connection */
  answer(slot: number, count: number): boolean {
    const marks = this.marks[slot]!;
    this.waiting[slot]! -= count;
    this.marks[slot] = marks | ANSWERED;
    return (marks & ANSWERED) === 0;
  }

  /** The oldest `count` messages wait no longer. */
  drop(slot: number, count: number): void {
    this.waiting[slot]! -= count;
  }

  /** Returns the number of messages begun and not completely sent: the last ones, and at most one if they are answered. */
  partial(slot: number): number {
    return this.marks[slot]! & PARTIAL;
  }

  /** Returns the number of messages started but not answered. */
  unanswered(slot: number): number {
    return this.waiting[slot]!;
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
