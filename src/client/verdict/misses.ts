// Everything that a run may be short of: connections, greetings, messages, and what a caller allows.
import { readMetrics, sectionOf } from "../../engine/metrics.js";
import { sumCounter } from "../../engine/worker-memory.js";
import type { ConnectResult, Miss } from "../../results/connect.js";
import { thresholdMisses, toleratesFailures, withoutTolerated } from "../../results/thresholds.js";
import { countHalfOpen } from "../evidence/half-open.js";
import { messageMisses } from "../messages/report.js";
import { CLIENT_METRICS, COUNTER } from "../metrics.js";
import type { RunFacts, RunState } from "../run-state.js";

/** A first byte within this time of connect() is a greeting. */
const GREETING_US = 1e6;

/** What is missing of the connections, of the messages, and to what a caller allows. */
export function allMisses(run: RunFacts, state: RunState, measured: Parameters<typeof thresholdMisses>[1]): Miss[] {
  const { thresholds } = run.settings;
  const isTolerant = toleratesFailures(thresholds, measured);
  const found = findMisses(run, state);
  return [
    ...(isTolerant ? withoutTolerated(found, measured) : found),
    ...messageMisses(run, isTolerant),
    ...thresholdMisses(thresholds, measured),
  ];
}

/** Everything that a run may be short of; a count of 0 is no miss. */
function findMisses(run: RunFacts, state: RunState): Miss[] {
  const { connections: requested, isStaged, isSingle, closesGreeted } = run.settings;
  const sum = (counter: number) => sumCounter(run.pool.memories, counter);
  const { kernel, peer, evidence } = state;
  const [established, ready] = [sum(COUNTER.established), sum(COUNTER.ready)];
  // Stages close and open: what they come to is whether each attempt succeeded, and the peak when memory ended them.
  const unmade = isStaged
    ? Math.max(sum(COUNTER.failed), state.memoryStop || state.fileStop ? requested - peakOf(run, state) : 0)
    : Math.max(requested - established, 0);
  const misses: Miss[] = [
    { kind: "established", count: unmade, of: isStaged ? Math.max(requested, unmade) : requested },
  ];
  // Of stages they are among those that failed.
  if (!isStaged) misses.push({ kind: "unready", count: established - ready, of: established });
  // Whoever asked for connections that close after their greeting asked for the greetings.
  if (closesGreeted) {
    misses.push({ kind: "ungreeted", count: Math.max(0, established - sum(COUNTER.greeted)), of: established });
  }
  // A single connection stays until its server closes it: that is its end, and no loss.
  if (isSingle) return misses;
  const { accepting } = state;
  return [
    ...misses,
    { kind: "lost", count: sum(COUNTER.lost), of: established },
    {
      kind: "half-open",
      count: countHalfOpen({ kernel, evidence: { ...evidence, peer, accepting } }),
      of: kernel?.outgoing ?? 0,
    },
    // Others' connections from the same addresses may be among those that wait.
    { kind: "unaccepted", count: Math.min(accepting?.waiting ?? 0, established), of: established },
    { kind: "ungreeted", count: countUngreeted(run, state), of: established },
  ];
}

/** The most connections that were open at once. */
export function peakOf({ pool }: RunFacts, { peakOpen }: RunState): number {
  return Math.max(peakOpen, sumCounter(pool.memories, COUNTER.open));
}

/** Open connections by whether the server has spoken to them; undefined where it spoke to none, or messages ask it to. */
export function countGreetings({ pool, settings, histograms }: RunFacts): ConnectResult["greetings"] {
  const greeted = histograms.firstByte.count;
  if (greeted === 0 || settings.message || settings.closesGreeted || settings.isSingle) return undefined;
  return { greeted, ...sectionOf(CLIENT_METRICS, readMetrics(CLIENT_METRICS, pool.memories), "greetings") };
}

/**
 * Connections that a server which greets has not greeted. One that greets most of them does; of one that spoke to fewer it is known
 * only where they heard of it soon: what comes later may be no greeting, such as news for some of them.
 */
function countUngreeted(run: RunFacts, { accepting }: RunState): number {
  const { greeted = 0, ungreeted = 0 } = countGreetings(run) ?? {};
  const p90Us = run.histograms.firstByte.percentile(90);
  const isGreeter = greeted >= ungreeted || p90Us <= GREETING_US;
  // A server at its maximum may speak to those alone that it then closes: a refusal is no greeting.
  if (greeted <= sumCounter(run.pool.memories, COUNTER.lost)) return 0;
  // What was not accepted is told as that.
  return isGreeter ? Math.max(0, ungreeted - (accepting?.waiting ?? 0)) : 0;
}
