// Which messages of each connection are begun, sent and answered, as rounds of the schedule: a connection has one message a round, from
// its first one on. By slot, 13 bytes each.
import { grown } from "../../protocols/columns.js";

/** No message has been due over this connection: rounds count from 1. */
export const NONE = 0;

/** The message begun last is not sent to its end. */
const PARTIAL = 1;
/** A message has been answered. */
const ANSWERED = 2;

export class Rounds {
  /** The round whose message is begun next. */
  next: Float64Array<ArrayBuffer>;
  /** Messages begun and not answered; stays 0 where none is answered. */
  private waiting: Uint32Array<ArrayBuffer>;
  private marks: Uint8Array<ArrayBuffer>;
  private readonly isAnswered: boolean;

  /** @param slots that will be in use at least @param isAnswered whether messages are answered */
  constructor(slots: number, isAnswered: boolean) {
    this.isAnswered = isAnswered;
    this.next = new Float64Array(slots);
    this.waiting = new Uint32Array(slots);
    this.marks = new Uint8Array(slots);
  }

  /** Forgets what was known of `slot`. */
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
    this.marks[slot]! |= PARTIAL;
    if (this.isAnswered) this.waiting[slot]! += 1;
  }

  /** The message begun last is sent to its end. */
  finish(slot: number): void {
    this.marks[slot]! &= ~PARTIAL;
  }

  /** The oldest `count` messages are answered. @returns whether they are the connection's first */
  answer(slot: number, count: number): boolean {
    const marks = this.marks[slot]!;
    this.waiting[slot]! -= count;
    this.marks[slot] = marks | ANSWERED;
    return (marks & ANSWERED) === 0;
  }

  isPartial(slot: number): boolean {
    return (this.marks[slot]! & PARTIAL) !== 0;
  }

  /** Messages begun and not answered. */
  unanswered(slot: number): number {
    return this.waiting[slot]!;
  }

  /** Messages sent to their end and not answered. */
  awaited(slot: number): number {
    const waiting = this.waiting[slot]!;
    return waiting > 0 && this.isPartial(slot) ? waiting - 1 : waiting;
  }

  /** The round of the oldest message that is not answered. */
  oldest(slot: number): number {
    return this.next[slot]! - this.waiting[slot]!;
  }
}
