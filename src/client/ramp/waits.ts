// Measures in each turn what limits a worker's ramp, to tell limits of the peer from limits of this side.

import { sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { RampShares } from "../../results/connect.js";
import { COUNTER } from "../metrics.js";

/** Limits on this side, and the counter for each. */
const WAITS = {
  /** As many handshakes are in flight as allowed. */
  window: COUNTER.windowMs,
  /** Most connections in flight are ESTABLISHED and waiting for a greeting. */
  greetings: COUNTER.greetingMs,
  /** No descriptors are left for more handshakes. */
  descriptors: COUNTER.descriptorMs,
  /** Nothing limits the ramp except the thread's CPU time. */
  cpu: COUNTER.busyMs,
  /** The schedule does not request more connections yet. */
  pace: COUNTER.paceMs,
} as const satisfies Record<keyof RampShares, number>;

/** Call this after the ramp has ended. If it was interrupted, the workers still add to their counters meanwhile. */
export function readRampShares(memories: readonly WorkerMemory[]): RampShares {
  const totalMs = sumCounter(memories, COUNTER.rampedMs);
  const shares = Object.entries(WAITS).map(([wait, counter]) => {
    const share = totalMs === 0 ? 0 : Math.min(1, sumCounter(memories, counter) / totalMs);
    return [wait, Math.round(share * 1000) / 1000];
  });
  return Object.fromEntries(shares) as RampShares;
}

export class RampTimes {
  private readonly counters: Float64Array;
  private sinceMs = 0;

  constructor(counters: Float64Array) {
    this.counters = counters;
  }

  /**
   * Ends a turn and adds its duration to a counter.
   *
   * @param waitedFor index of the counter for what limited the turn; `rampedMs` if this side did not, -1 outside
   *   a ramp
   * @returns duration of the turn in milliseconds
   */
  turn(nowMs: number, waitedFor: number): number {
    const passedMs = this.sinceMs === 0 ? 0 : nowMs - this.sinceMs;
    this.sinceMs = nowMs;
    if (waitedFor < 0) return passedMs;
    if (waitedFor !== COUNTER.rampedMs) this.counters[waitedFor]! += passedMs;
    this.counters[COUNTER.rampedMs]! += passedMs;
    return passedMs;
  }
}
