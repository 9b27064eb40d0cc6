// Records the time in which a server refused connections, and what happened before, during and after it. A server that
// is restarted ends its connections, refuses others for a while, and then accepts again.

import { sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import { ECONNREFUSED, ECONNRESET, EPIPE, ETIMEDOUT } from "../../linux/syscalls/errno.js";
import type { Outage } from "../../results/peer.js";
import { STEP } from "../../util/steps.js";
import { COUNTER } from "../metrics.js";

/**
 * Records in a worker's counters that a connection has failed or ended.
 * @param errno see countFailure() of WorkerMemory; 0 for a FIN
 */
export function noteForOutage(counters: Float64Array, step: number, errno: number): void {
  const isEnding = step !== STEP.connect && (errno === 0 || errno === ECONNRESET || errno === EPIPE);
  if (isEnding) counters[COUNTER.endings]! += 1;
  if (step !== STEP.hold && (isEnding || errno === ETIMEDOUT)) counters[COUNTER.cutOffHandshakes]! += 1;
  if (step !== STEP.connect || errno !== ECONNREFUSED) return;
  const now = performance.timeOrigin + performance.now();
  if (counters[COUNTER.firstRefusedAt] === 0) {
    counters[COUNTER.firstRefusedAt] = now;
    counters[COUNTER.readyAtFirstRefusal] = counters[COUNTER.ready]!;
    counters[COUNTER.establishedAtFirstRefusal] = counters[COUNTER.established]!;
  }
  counters[COUNTER.lastRefusedAt] = now;
  counters[COUNTER.establishedAtLastRefusal] = counters[COUNTER.established]!;
  counters[COUNTER.endingsAtLastRefusal] = counters[COUNTER.endings]!;
}

/** @returns undefined if no connection was refused */
export function findOutage(memories: readonly WorkerMemory[]): Outage | undefined {
  const refused = memories.filter(({ counters }) => counters[COUNTER.firstRefusedAt]! > 0);
  if (refused.length === 0) return undefined;
  const sum = (counter: number) => sumCounter(refused, counter);
  return {
    // Refusals in different threads say nothing about the time between them.
    durationMs: Math.max(...refused.map(refusedMs)),
    readyBefore: sum(COUNTER.readyAtFirstRefusal),
    // A handshake that began before may be completed after the server has stopped listening.
    establishedDuring: sum(COUNTER.establishedAtLastRefusal) - sum(COUNTER.establishedAtFirstRefusal),
    establishedAfter: sum(COUNTER.established) - sum(COUNTER.establishedAtLastRefusal),
    endedAfter: sum(COUNTER.endings) - sum(COUNTER.endingsAtLastRefusal),
  };
}

function refusedMs({ counters }: WorkerMemory): number {
  return Math.round(counters[COUNTER.lastRefusedAt]! - counters[COUNTER.firstRefusedAt]!);
}
