// Keeps the deadlines of records in a timing wheel whose lists are linked through typed arrays. A deadline more
// than one revolution of the wheel away stays in its list until its time comes.
import { grown } from "./connections.js";

const TICK_MS = 10;
const LISTS = 1024;
const NONE = -1;
/** Maximum number of records whose deadline is checked in one call. */
const CHECKED_AT_ONCE = 4096;

export class Timers {
  /** Deadline of each record in ticks; 0 for none. */
  private deadlines = new Uint32Array(0);
  private next = new Int32Array(0);
  private previous = new Int32Array(0);
  private readonly heads = new Int32Array(LISTS).fill(NONE);
  /** Last tick whose list has been examined. */
  private tick = 0;
  private cursor = NONE;
  /** Number of records with a deadline. */
  private count = 0;

  resize(records: number): void {
    this.deadlines = grown(this.deadlines, new Uint32Array(records));
    this.next = grown(this.next, new Int32Array(records));
    this.previous = grown(this.previous, new Int32Array(records));
  }

  /**
   * Sets a record's deadline, replacing any earlier one.
   * @param atMs milliseconds on the clock of expire()
   */
  set(record: number, atMs: number): void {
    const deadline = Math.max(this.tick + 1, Math.ceil(atMs / TICK_MS));
    if (this.deadlines[record] === deadline) return;
    this.cancel(record);
    const list = deadline % LISTS;
    const head = this.heads[list]!;
    this.deadlines[record] = deadline;
    this.next[record] = head;
    this.previous[record] = NONE;
    if (head !== NONE) this.previous[head] = record;
    this.heads[list] = record;
    this.count++;
  }

  isSet(record: number): boolean {
    return this.deadlines[record] !== 0;
  }

  cancel(record: number): void {
    const deadline = this.deadlines[record]!;
    if (deadline === 0) return;
    const [next, previous] = [this.next[record]!, this.previous[record]!];
    if (this.cursor === record) this.cursor = next;
    if (previous === NONE) this.heads[deadline % LISTS] = next;
    else this.next[previous] = next;
    if (next !== NONE) this.previous[next] = previous;
    this.deadlines[record] = 0;
    this.count--;
  }

  /** Removes and returns a record whose deadline has passed, or -1. Call this until it returns -1. */
  expired(nowMs: number): number {
    const nowTick = Math.floor(nowMs / TICK_MS);
    if (this.count === 0) {
      this.tick = Math.max(this.tick, nowTick);
      this.cursor = NONE;
      return NONE;
    }
    for (let checked = 0; checked < CHECKED_AT_ONCE; ) {
      if (this.cursor === NONE) {
        if (this.tick >= nowTick) return NONE;
        // One revolution of the wheel finds everything that is overdue.
        if (nowTick - this.tick > LISTS) this.tick = nowTick - LISTS;
        this.tick++;
        this.cursor = this.heads[this.tick % LISTS]!;
        continue;
      }
      const record = this.cursor;
      checked++;
      this.cursor = this.next[record]!;
      if (this.deadlines[record]! <= this.tick) {
        this.cancel(record);
        return record;
      }
    }
    return NONE;
  }

  /**
   * Returns the time until the next list with a record, at most one revolution of the wheel; Infinity without
   * deadlines.
   */
  untilNextMs(nowMs: number): number {
    if (this.count === 0) return Number.POSITIVE_INFINITY;
    if (this.cursor !== NONE) return 0;
    for (let tick = this.tick + 1; tick <= this.tick + LISTS; tick++) {
      if (this.heads[tick % LISTS] !== NONE) return Math.max(0, tick * TICK_MS - nowMs);
    }
    return LISTS * TICK_MS;
  }
}
