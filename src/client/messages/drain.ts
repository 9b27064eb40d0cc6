// Drains a run's messages at its end: stops sending and waits for outstanding answers, so that a message still
// unanswered afterwards was lost rather than cut off.

import { setTimeout as delay } from "node:timers/promises";
import { CONTROL, sumCounter, type WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER } from "../metrics.js";
import type { MessagePlan } from "../worker-plan.js";

const POLL_MS = 5;
/**
 * Maximum time counted between two polls. A longer gap means that the whole machine was suspended, and the peer with
 * it.
 */
const MAX_STEP_MS = 10 * POLL_MS;
/** Maximum time to wait for answers. The run ends within a second even if answers still trickle in. */
const GRACE_MS = 900;
/** Maximum time to wait after an interruption. */
const INTERRUPTED_MS = 400;
/** If the slowest answers take at most this multiple of the median, younger messages are assumed to be in flight. */
const EVEN = 1.5;

interface Workers {
  readonly memories: readonly WorkerMemory[];
  setAll(word: number, value: number): void;
}

/**
 * Resolves when every message over an open connection has been answered, or after about a second.
 *
 * @param alternates whether each message waits for the previous answer, so that some are due but not sent yet
 */
export async function drainMessages(
  workers: Workers,
  message: MessagePlan,
  wasInterrupted: boolean,
  alternates: boolean,
): Promise<void> {
  const graceMs = wasInterrupted ? INTERRUPTED_MS : GRACE_MS;
  workers.setAll(CONTROL.paused, 1);
  const { memories } = workers;
  const sum = (counter: number) => sumCounter(memories, counter);
  let [polledMs, waitedMs] = [performance.now(), 0];
  for (;;) {
    // A worker that has not seen the pause yet may still send.
    const isQuiet = memories.every(({ counters }) => counters[COUNTER.isPaused] === 1);
    const answered = message.expected === "none" ? sum(COUNTER.sentMessages) : sum(COUNTER.answeredMessages);
    const begun = alternates ? sum(COUNTER.dueMessages) - sum(COUNTER.missedMessages) : sum(COUNTER.sentMessages);
    if (isQuiet && begun <= answered + sum(COUNTER.abandonedMessages)) return;
    const nowMs = performance.now();
    waitedMs += Math.min(nowMs - polledMs, MAX_STEP_MS);
    polledMs = nowMs;
    if (waitedMs > graceMs) return;
    await delay(POLL_MS);
  }
}

/**
 * Returns the maximum age, in milliseconds, at which an unanswered message counts as in flight at the end: the longest
 * round trip if all take about the same time, or 0 if they do not, as with a peer that falls behind.
 */
export function answerGraceMs(roundTrip: Histogram): number {
  const [p50, p99] = roundTrip.percentiles([50, 99]) as [number, number];
  if (p50 === 0 || p99 > EVEN * p50) return 0;
  return Math.ceil(roundTrip.max / 1000);
}
