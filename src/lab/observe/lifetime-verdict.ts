// Judges whether sockets stayed in a state for as long as predicted, and puts it into words.
import { formatDuration } from "../../util/units.js";
import type { Seen } from "./state-lifetime.js";

/** The kernel counts in ticks of up to 10 ms. */
const TICK_MS = 10;
/** A timer's place in the kernel's wheel is an eighth of its time at most (kernel/time/timer.c): so late may it fire. */
export const LATEST = 1 + 1 / 8;

/** Looks so far apart that they allow half or twice the time that was predicted show nothing of it. */
const COARSE = 2;

/**
 * Judges what was seen by what was predicted: to the tick, where a timer counts down; else by when it was gone. Only an interval
 * that excludes the prediction refutes it; one that is too wide to show it is inconclusive.
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
  // All snapshots found it, and none a timer that would end it.
  if (hasNoTimer) return "refuted";
  if (timerMs === undefined) return isNarrow(seen, least, most) ? "confirmed" : "inconclusive";
  const [from, to] = timerMs;
  // Where they cross, the timer was set anew.
  const excludes = from > to + TICK_MS || from > least + TICK_MS || to < least - TICK_MS;
  return excludes ? "refuted" : "confirmed";
}

function isNarrow({ stayedMs, goneMs }: Seen, least: number, most: number): boolean {
  return goneMs !== undefined && stayedMs >= least / COARSE && goneMs <= most * COARSE;
}

/** `59.8 s to 60.1 s by the kernel's timer, gone after 61.2 s to 61.7 s` */
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
