// Judges whether sockets stayed in a state for the predicted time, and describes the observation.
import { formatDuration } from "../../util/units.js";
import type { Seen } from "./state-lifetime.js";

/** The kernel counts time in ticks of up to 10 ms. */
const TICK_MS = 10;
/**
 * A kernel timer may fire late by up to an eighth of its duration, the granularity of the timer wheel
 * (kernel/time/timer.c).
 */
export const LATEST = 1 + 1 / 8;

/** Observations too far apart to exclude half or twice the predicted time are inconclusive. */
const COARSE = 2;

/**
 * Compares an observation with its prediction: to the tick if a timer counts down, otherwise by the time at which the
 * sockets were gone. Only an interval that excludes the prediction refutes it; an interval that is too wide to confirm
 * it is inconclusive.
 */
export function judgeLifetime(seen: Seen): "confirmed" | "refuted" | "inconclusive" {
  const { lifetime, stayedMs, missedMs, timerMs, hasNoTimer } = seen;
  const { predictedMs, countsDown } = lifetime;
  if (predictedMs === undefined) {
    if (missedMs !== undefined || timerMs !== undefined) return "refuted";
    if (hasNoTimer) return "confirmed";
    return stayedMs > 0 ? "refuted" : "inconclusive";
  }
  const [least, most] = predictedMs;
  if (stayedMs > most || (missedMs !== undefined && missedMs < least)) return "refuted";
  if (!countsDown) return isNarrow(seen, least, most) ? "confirmed" : "inconclusive";
  // All snapshots found the state, and none found a timer that would end it.
  if (hasNoTimer) return "refuted";
  if (timerMs === undefined) return isNarrow(seen, least, most) ? "confirmed" : "inconclusive";
  const [from, to] = timerMs;
  // If the bounds cross, the timer was restarted.
  const excludes = from > to + TICK_MS || from > least + TICK_MS || to < least - TICK_MS;
  return excludes ? "refuted" : "confirmed";
}

function isNarrow({ stayedMs, goneMs }: Seen, least: number, most: number): boolean {
  return goneMs !== undefined && stayedMs >= least / COARSE && goneMs <= most * COARSE;
}

/** Returns a text such as `59.8 s to 60.1 s by the kernel's timer, gone after 61.2 s to 61.7 s`. */
export function formatLifetime({ stayedMs, missedMs, goneMs, timerMs, hasNoTimer, lifetime }: Seen): string {
  const timer =
    lifetime.countsDown && timerMs !== undefined
      ? `${formatRange(timerMs)} by the kernel's timer, `
      : hasNoTimer
        ? "no timer runs, "
        : "";
  if (missedMs !== undefined && goneMs === undefined) {
    return `${timer}some gone after ${formatRange([stayedMs, missedMs])}, the rest still there`;
  }
  if (goneMs === undefined) return `${timer}all there after ${formatDuration(stayedMs)}`;
  return `${timer}gone after ${formatRange([stayedMs, goneMs])}`;
}

function formatRange([least, most]: readonly [number, number]): string {
  return `${(least / 1000).toFixed(1)} s to ${(most / 1000).toFixed(1)} s`;
}
