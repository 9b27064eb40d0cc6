// Notices in a worker that its thread did not run for a while: the process was stopped or frozen, or got no CPU. Peers
// are not to blame for what waited in that time, so timeouts leave it out, and latencies that span it are counted.
import { Sleep } from "./evidence/sleep.js";
import { COUNTER } from "./metrics.js";

/** A thread that resumes later than this after it could have run has stood still. */
export const STANDSTILL_MS = 500;
/** Maximum number of standstills to remember. They matter only as long as handshakes take. */
const REMEMBERED = 16;

export class Standstills {
  private readonly counters: Float64Array;
  private readonly sleep = new Sleep();
  private lastEndMs = Number.NEGATIVE_INFINITY;
  /** When each standstill ended, and how long it was; the latest one comes last. */
  private readonly ends: number[] = [];
  private readonly lengths: number[] = [];

  constructor(counters: Float64Array) {
    this.counters = counters;
  }

  /** Called when the thread is about to sleep, for `waitMs` at most. It may also have been stopped since it woke up. */
  promise(nowMs: number, waitMs: number): void {
    this.awake(nowMs);
    this.sleep.promise(nowMs + waitMs);
  }

  /** Called when the thread wakes up. */
  awake(nowMs: number): void {
    const stoodMs = this.sleep.end(nowMs);
    if (stoodMs < STANDSTILL_MS) return;
    this.lastEndMs = nowMs;
    if (this.ends.push(nowMs) > REMEMBERED) this.ends.shift();
    if (this.lengths.push(stoodMs) > REMEMBERED) this.lengths.shift();
  }

  /** Returns the part of a period until now in which the thread could run. */
  runningMs(sinceMs: number, nowMs: number): number {
    let ms = nowMs - sinceMs;
    for (let n = this.ends.length - 1; n >= 0 && this.ends[n]! > sinceMs; n--) {
      ms -= Math.min(this.lengths[n]!, this.ends[n]! - sinceMs);
    }
    return ms;
  }

  /**
   * Counts a latency that has been measured since `sinceMs` if it spans a standstill.
   * @param kind a further counter, for latencies of its kind
   */
  mark(sinceMs: number, kind?: number): void {
    if (sinceMs >= this.lastEndMs) return;
    this.counters[COUNTER.standstillLatencies]! += 1;
    if (kind !== undefined) this.counters[kind]! += 1;
  }
}
