// What became of a run's messages, and in which respects they fell short.

import { sumCounter } from "../../engine/worker-memory.js";
import type { MessageResult, Miss } from "../../results/connect.js";
import type { RunFacts } from "../run-state.js";
import { COUNTER } from "../worker-plan.js";

/** undefined for a run without messages. */
export function reportMessages({ settings: { message }, pool: { memories } }: RunFacts): MessageResult | undefined {
  if (message === undefined) return undefined;
  const sum = (counter: number) => sumCounter(memories, counter);
  const each = (counter: number) => memories.map(({ counters }) => counters[counter]!);
  const youngest = each(COUNTER.youngestUnansweredUs).filter((us) => us > 0);
  return {
    expected: message.expected,
    bytes: message.bytes.length,
    ratePerSec: 1000 / message.intervalMs,
    due: sum(COUNTER.dueMessages),
    sent: sum(COUNTER.sentMessages),
    answered: sum(COUNTER.answeredMessages),
    unanswered: sum(COUNTER.unansweredMessages),
    inFlight: sum(COUNTER.inFlightMessages),
    late: sum(COUNTER.lateMessages),
    longestDelayMs: Math.max(0, ...each(COUNTER.longestDelayMs)),
    missed: sum(COUNTER.missedMessages),
    blocked: sum(COUNTER.blockedMessages),
    movedMs: Math.max(0, ...each(COUNTER.movedMs)),
    youngestUnansweredUs: youngest.length > 0 ? Math.min(...youngest) : undefined,
    unaskedBytes: sum(COUNTER.unaskedBytes),
    wrongBytes: sum(COUNTER.wrongBytes),
  };
}

/** @param toleratesLosses what lost connections have not answered is tolerated with them */
export function messageMisses(run: RunFacts, toleratesLosses: boolean): Miss[] {
  const messages = reportMessages(run);
  if (messages === undefined) return [];
  const ofLost = toleratesLosses ? sumCounter(run.pool.memories, COUNTER.unansweredOfLost) : 0;
  return [
    { kind: "unsent", count: messages.missed, of: messages.due },
    { kind: "unanswered", count: messages.unanswered - ofLost, of: messages.sent },
  ];
}
