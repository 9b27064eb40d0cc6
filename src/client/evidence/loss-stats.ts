// Records whether a worker loses its oldest or its newest connections, which distinguishes a server's timeout from its
// connection limit. Only counters and typed arrays indexed by slot are used.
import { COUNTER } from "../metrics.js";

export class LossStats {
  private readonly counters: Float64Array;
  /**
   * Time when each slot's connection became ESTABLISHED, in milliseconds. Float32 is exact to 1 ms for hours, which is
   * precise enough to tell old connections from new ones.
   */
  private readonly establishedMs: Float32Array;

  /** @param slots number of slots that can ever be in use */
  constructor(counters: Float64Array, slots: number) {
    this.counters = counters;
    this.establishedMs = new Float32Array(slots);
  }

  established(slot: number, nowMs: number): void {
    this.establishedMs[slot] = nowMs;
  }

  /** Returns how long the connection in `slot` has been ESTABLISHED, in milliseconds. */
  heldMs(slot: number, nowMs: number): number {
    return Math.max(0, nowMs - this.establishedMs[slot]!);
  }

  lost(slot: number, nowMs: number): void {
    const counters = this.counters;
    const establishedMs = this.establishedMs[slot]!;
    const heldMs = this.heldMs(slot, nowMs);
    const isFirst = counters[COUNTER.firstLostAt] === 0;
    if (isFirst || heldMs < counters[COUNTER.shortestHeldMs]!) counters[COUNTER.shortestHeldMs] = heldMs;
    if (heldMs > counters[COUNTER.longestHeldMs]!) counters[COUNTER.longestHeldMs] = heldMs;
    if (isFirst || establishedMs < counters[COUNTER.firstLostAt]!) counters[COUNTER.firstLostAt] = establishedMs;
    if (establishedMs > counters[COUNTER.lastLostAt]!) counters[COUNTER.lastLostAt] = establishedMs;
  }

  /**
   * Counts the surviving connections by age, relative to the lost ones.
   *
   * @param end highest slot plus one
   * @param isKept returns whether a slot's connection is ESTABLISHED
   */
  countKept(end: number, isKept: (slot: number) => boolean): void {
    const counters = this.counters;
    const first = counters[COUNTER.firstLostAt]!;
    const last = counters[COUNTER.lastLostAt]!;
    if (first === 0) return;
    const nowMs = performance.now();
    for (let slot = 0; slot < end; slot++) {
      if (!isKept(slot)) continue;
      const establishedMs = this.establishedMs[slot]!;
      counters[COUNTER.kept]! += 1;
      if (establishedMs <= first) counters[COUNTER.keptOlder]! += 1;
      if (establishedMs >= last) counters[COUNTER.keptYounger]! += 1;
      counters[COUNTER.oldestKeptMs] = Math.max(counters[COUNTER.oldestKeptMs]!, nowMs - establishedMs);
    }
  }
}
