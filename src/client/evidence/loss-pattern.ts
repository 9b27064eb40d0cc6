// Combines the loss statistics of all threads; see loss-stats.ts.
import { sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { LossPattern } from "../../results/peer.js";
import { COUNTER } from "../metrics.js";

/** @returns undefined if no connection was lost */
export function findLossPattern(memories: readonly WorkerMemory[]): LossPattern | undefined {
  const losing = memories.filter(({ counters }) => counters[COUNTER.firstLostAt]! > 0);
  if (losing.length === 0) return undefined;
  const values = (counter: number) => losing.map(({ counters }) => counters[counter]!);
  // Clocks differ between threads, so only time differences can be compared.
  const spans = losing.map(({ counters }) => counters[COUNTER.lastLostAt]! - counters[COUNTER.firstLostAt]!);
  return {
    shortestHeldMs: Math.round(Math.min(...values(COUNTER.shortestHeldMs))),
    longestHeldMs: Math.round(Math.max(...values(COUNTER.longestHeldMs))),
    openedOverMs: Math.round(Math.max(...spans)),
    kept: sumCounter(losing, COUNTER.kept),
    keptOlder: sumCounter(losing, COUNTER.keptOlder),
    keptYounger: sumCounter(losing, COUNTER.keptYounger),
    oldestKeptMs: Math.round(Math.max(...values(COUNTER.oldestKeptMs))),
  };
}
