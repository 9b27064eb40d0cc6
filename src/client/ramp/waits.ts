// What a worker's ramp waits for, turn by turn: the peer's rate and what we do not ask of it are not to be mixed up.

import { sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { RampShares } from "../../results/connect.js";
import { COUNTER } from "../metrics.js";

/** What of ours can hold a ramp back, and where each is counted. */
const WAITS = {
  /** As many handshakes are in flight as may be. */
  window: COUNTER.windowMs,
  /** Most of those in flight are ESTABLISHED and wait for the peer's greeting. */
  greetings: COUNTER.greetingMs,
  /** There are no descriptors for more handshakes at once. */
  descriptors: COUNTER.descriptorMs,
  /** Nothing: connections are opened as fast as the thread's CPU does it. */
  cpu: COUNTER.busyMs,
  /** The schedule asks for no more yet. */
  pace: COUNTER.paceMs,
} as const satisfies Record<keyof RampShares, number>;

/** To be read when the ramp has ended. */
export function readRampShares(memories: readonly WorkerMemory[]): RampShares {
  const totalMs = sumCounter(memories, COUNTER.rampedMs);
  const shares = Object.entries(WAITS).map(([wait, counter]) => {
    const share = totalMs === 0 ? 0 : sumCounter(memories, counter) / totalMs;
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
   * A turn has ended.
   *
   * @param waitedFor the place of what it waited for: `rampedMs` for nothing of ours, -1 when no ramp is under way
   * @returns how long it was
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
