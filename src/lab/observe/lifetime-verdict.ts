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

/** Observations are inconclusive if they are too far apart to exclude half or twice the predicted time. */
const COARSE = 2;

/**
 * Compares an observation with its prediction: to the tick if there was a timer, otherwise by the time at which the
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
  // Every snapshot found the state, and none found a timer that would end it.
  if (hasNoTimer) return "refuted";
  if (timerMs === undefined) return isNarrow(seen, least, most) ? "confirmed" : "inconclusive";
  const [from, to] = timerMs;
  // If the lower bound exceeds the upper one, the timer was restarted.
  const excludes = from > to + TICK_MS || from > least + TICK_MS || to < least - TICK_MS;
  return excludes ? "refuted" : "confirmed";
}

function isNarrow({ stayedMs, goneMs }: Seen, least: number, most: number): boolean {
  return goneMs !== undefined && stayedMs >= least / COARSE && goneMs <= most * COARSE;
}

/**
 * Returns the time at which the kernel's timers end the sockets, such as `59.8-60.1 s`; `none` without a timer, `-` if
 * none was observed.
 */
export function formatTimer({ timerMs, hasNoTimer, lifetime }: Seen): string {
  if (lifetime.countsDown && timerMs !== undefined) return formatRange(timerMs);
  return hasNoTimer ? "none" : "-";
}

/** Returns the time at which the sockets were gone, such as `61.2-61.7 s` or `not in 20.4 s`. */
export function formatEnd({ stayedMs, missedMs, goneMs }: Seen): string {
  if (goneMs !== undefined) return formatRange([stayedMs, goneMs]);
  return missedMs === undefined ? `not in ${formatDuration(stayedMs)}` : `${formatRange([stayedMs, missedMs])} (some)`;
}

/**
 * @param range bounds in milliseconds
 */
export function formatRange([least, most]: readonly [number, number]): string {
  return `${(least / 1000).toFixed(1)}-${(most / 1000).toFixed(1)} s`;
}
