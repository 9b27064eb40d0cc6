// Reports the counts of a run's messages, and the misses among them.

import { readMetrics, sectionOf } from "../../engine/metrics.js";
import { sumCounter } from "../../engine/worker-memory.js";
import { receivesAll } from "../../protocols/spec/mqtt.js";
import type { ConnectResult } from "../../results/connect.js";
import type { MessageResult } from "../../results/messages.js";
import type { Miss } from "../../results/outcome.js";
import { CLIENT_METRICS, COUNTER } from "../metrics.js";
import type { RunFacts } from "../run-state.js";

/** Returns the counts; undefined for a run without messages. */
export function reportMessages({
  settings: { message, protocol },
  pool: { memories },
}: RunFacts): MessageResult | undefined {
  if (message === undefined) return undefined;
  const counted = sectionOf(CLIENT_METRICS, readMetrics(CLIENT_METRICS, memories), "messages");
  const { total } = message;
  return {
    expected: protocol?.name === "http" ? "response" : message.expected,
    bytes: message.bytes.length,
    ratePerSec: message.intervalMs === undefined ? undefined : 1000 / message.intervalMs,
    ...counted,
    requested: total,
    // This includes messages of connections that ended early or never opened.
    due: total ?? counted.due,
    missed: total === undefined ? counted.missed : total - counted.sent,
    youngestUnansweredUs: counted.youngestUnansweredUs || undefined,
  };
}

/** Returns the counts of published messages; undefined if none arrived and none was missing. */
export function reportDeliveries({ settings, pool }: RunFacts): ConnectResult["deliveries"] {
  const { received, lost, undelivered, repeated } = sectionOf(
    CLIENT_METRICS,
    readMetrics(CLIENT_METRICS, pool.memories),
    "deliveries",
  );
  if (received + lost + undelivered === 0) return undefined;
  const { protocol, receivesOwn } = settings;
  const areComplete = protocol?.name !== "mqtt" || receivesAll(protocol);
  return {
    received,
    lost: areComplete ? lost : undefined,
    undelivered: receivesOwn && areComplete ? undelivered : undefined,
    repeated,
  };
}

/**
 * Returns the misses among messages sent and received.
 * @param toleratesLosses whether unanswered messages of lost connections are not a miss
 */
export function messageMisses(run: RunFacts, toleratesLosses: boolean): Miss[] {
  const messages = reportMessages(run);
  const sum = (counter: number) => sumCounter(run.pool.memories, counter);
  const undelivered = sum(COUNTER.lostMessages) + sum(COUNTER.undeliveredMessages);
  const deliveries: Miss = { kind: "undelivered", count: undelivered, of: sum(COUNTER.receivedMessages) + undelivered };
  if (messages === undefined) return [deliveries];
  const ofLost = toleratesLosses ? sum(COUNTER.unansweredOfLost) : 0;
  return [
    deliveries,
    { kind: "unsent", count: messages.missed, of: messages.due },
    { kind: "unanswered", count: messages.unanswered - ofLost, of: messages.sent },
  ];
}
