// The end of a run's messages: no more of them are sent, and the answers that are still on their way are waited for. So what
// stays unanswered was lost, and not merely cut off.

import { setTimeout as delay } from "node:timers/promises";
import { CONTROL, sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER } from "../metrics.js";
import type { MessagePlan } from "../worker-plan.js";

const POLL_MS = 5;
/** Counts as silence between two polls at most: where the whole machine stood still for longer, the peer did, too. */
const MAX_STEP_MS = 10 * POLL_MS;
/** Answers are waited for so long: a run ends within a second, also where they trickle in… */
const GRACE_MS = 900;
/** …and sooner when it is interrupted. */
const INTERRUPTED_MS = 400;
/** Where the slowest answers take at most so much longer than the median, those that are younger are on their way. */
const EVEN = 1.5;

interface Workers {
  readonly memories: readonly WorkerMemory[];
  setAll(word: number, value: number): void;
}

/** Returns when every message over a connection that is still open has its answer, a second later at the latest. */
export async function drainMessages(workers: Workers, message: MessagePlan, wasInterrupted: boolean): Promise<void> {
  const graceMs = wasInterrupted ? INTERRUPTED_MS : GRACE_MS;
  workers.setAll(CONTROL.paused, 1);
  const { memories } = workers;
  const sum = (counter: number) => sumCounter(memories, counter);
  let [polledMs, waitedMs] = [performance.now(), 0];
  for (;;) {
    // One that has not seen the word yet may still send.
    const isQuiet = memories.every(({ counters }) => counters[COUNTER.isPaused] === 1);
    const answered = message.expected === "none" ? sum(COUNTER.sentMessages) : sum(COUNTER.answeredMessages);
    if (isQuiet && sum(COUNTER.sentMessages) <= answered + sum(COUNTER.abandonedMessages)) return;
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - polledMs, MAX_STEP_MS);
    polledMs = nowMs;
    if (waitedMs > graceMs) return;
    await delay(POLL_MS);
  }
}

/**
 * How late a message may be at the end without being the peer's failure: the longest that an answer took, where all take about the
 * same; 0 where they do not, as with a peer that falls behind.
 */
export function answerGraceMs(roundTrip: Histogram): number {
  const [p50, p99] = roundTrip.percentiles([50, 99]) as [number, number];
  if (p50 === 0 || p99 > EVEN * p50) return 0;
  return Math.ceil(roundTrip.max / 1000);
}
