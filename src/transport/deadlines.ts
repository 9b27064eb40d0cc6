// Times out waiting connections, such as those with handshakes in progress. All have the same time limit, so they
// expire in the order in which they started.
import { grown } from "../protocols/columns.js";

/** Maximum number of expired slots ended per turn. */
const ENDED_AT_ONCE = 256;
/** No slot: the end of the list. */
const NONE = -1;

export class Deadlines {
  private readonly timedOut: (slot: number) => void;
  private readonly timeoutMs: number;
  /** By slot: when it expires; 0 if it is not waiting. */
  private dueMs = new Float64Array(0);
  /** The waiting slots in the order in which they started, as a doubly linked list. */
  private previous = new Int32Array(0);
  private next = new Int32Array(0);
  private first = NONE;
  private last = NONE;

  /** @param timedOut ends the connection in an expired slot */
  constructor(timedOut: (slot: number) => void, timeoutMs: number) {
    this.timedOut = timedOut;
    this.timeoutMs = timeoutMs;
  }

  /** Starts the time of `slot`, anew if it is waiting already. */
  begin(slot: number, nowMs: number): void {
    if (slot >= this.dueMs.length) this.grow(Math.max(slot, 1023));
    this.end(slot);
    this.dueMs[slot] = nowMs + this.timeoutMs;
    this.previous[slot] = this.last;
    this.next[slot] = NONE;
    if (this.last === NONE) this.first = slot;
    else this.next[this.last] = slot;
    this.last = slot;
  }

  /** Called when `slot` no longer waits, or its connection has ended. */
  end(slot: number): void {
    if (slot >= this.dueMs.length || this.dueMs[slot] === 0) return;
    this.dueMs[slot] = 0;
    const [before, after] = [this.previous[slot]!, this.next[slot]!];
    if (before === NONE) this.first = after;
    else this.next[before] = after;
    if (after === NONE) this.last = before;
    else this.previous[after] = before;
  }

  /** Ends expired slots. */
  endLate(nowMs: number): void {
    for (let n = 0; n < ENDED_AT_ONCE && this.first !== NONE && this.dueMs[this.first]! <= nowMs; n++) {
      const slot = this.first;
      this.end(slot);
      this.timedOut(slot);
    }
  }

  /** Returns the milliseconds until the next slot expires; Infinity if none is waiting. */
  waitMs(nowMs: number): number {
    return this.first === NONE ? Number.POSITIVE_INFINITY : Math.max(0, this.dueMs[this.first]! - nowMs);
  }

  private grow(slot: number): void {
    this.dueMs = grown(this.dueMs, slot);
    this.previous = grown(this.previous, slot);
    this.next = grown(this.next, slot);
  }
}
