// Makes the schedule of a thread's messages. In a part of a fleet's run, each connection of the whole run has a place of
// its own in the interval, and those of each thread are spread over all of it.
import type { ConnectPlan, MessagePlan } from "../worker-plan.js";
import { ClosedLoop } from "./closed-loop.js";
import { MessageSchedule } from "./schedule.js";

/** Steps of this share of a circle divide it most evenly, however many they are. */
const GOLDEN_RATIO = (Math.sqrt(5) - 1) / 2;
/** Number of steps to consider on each side of it. No gap between places is then three times as long as the mean. */
const NEARBY = 20;

export function makeSchedule(
  { intervalMs, turns }: MessagePlan,
  { share, earlier }: Pick<ConnectPlan, "share" | "earlier">,
  nowMs: number,
): MessageSchedule {
  if (intervalMs === undefined) return new ClosedLoop(nowMs);
  if (!turns) return new MessageSchedule(nowMs, intervalMs, share);
  const { of, before, sinceMs } = turns;
  const places = { slots: interleavedPlaces(before + earlier, share, of), of };
  return MessageSchedule.within(sinceMs - Date.now() + nowMs, nowMs, intervalMs, places);
}

/**
 * Returns the places of `count` connections from number `first` on, in ascending order.
 *
 * A step that has no divisor in common with `of` visits every place once before it comes back, so consecutive numbers
 * get different places, and all numbers together get all of them.
 *
 * @param of number of places: connections of the whole run
 * @returns places from 0 to of - 1
 */
export function interleavedPlaces(first: number, count: number, of: number): Uint32Array<ArrayBuffer> {
  const step = stepFor(of);
  const places = new Uint32Array(count);
  // Products of counts exceed 53 bits.
  let place = Number((BigInt(first) * BigInt(step)) % BigInt(of));
  for (let n = 0; n < count; n++) {
    places[n] = place;
    place = (place + step) % of;
  }
  return places.sort();
}

/**
 * Returns the best step near the golden section of the circle. Steps divide a circle the more evenly, the smaller the
 * quotients are with which Euclid's algorithm finds their greatest common divisor with it (three-gap theorem).
 */
function stepFor(of: number): number {
  const first = Math.max(1, Math.round(of * GOLDEN_RATIO) - NEARBY);
  const steps = Array.from({ length: Math.min(2 * NEARBY + 1, of) }, (_, n) => first + n);
  const quotients = steps.map((step) => largestQuotient(step, of));
  return steps[quotients.indexOf(Math.min(...quotients))]!;
}

/** @returns Infinity if the numbers have a common divisor */
function largestQuotient(step: number, of: number): number {
  let [a, b, largest] = [step, of, 0];
  while (a > 0) {
    largest = Math.max(largest, Math.floor(b / a));
    [a, b] = [b % a, a];
  }
  return b === 1 ? largest : Number.POSITIVE_INFINITY;
}
