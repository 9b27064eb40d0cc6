// Finds every target that a run can miss: connections, greetings, messages, handlers and the caller's
// thresholds.
import { readMetrics, sectionOf } from "../../engine/metrics.js";
import { sumCounter } from "../../engine/worker-memory.js";
import type { ConnectResult } from "../../results/connect.js";
import type { Miss } from "../../results/outcome.js";
import { allowedErrors, thresholdMisses, toleratesFailures, withoutTolerated } from "../../results/thresholds.js";
import { reportFailures } from "../evidence/failures.js";
import { countHalfOpen, outgoingOf } from "../evidence/half-open.js";
import { messageMisses } from "../messages/report.js";
import { CLIENT_METRICS, COUNTER } from "../metrics.js";
import type { RunFacts, RunState } from "../run-state.js";

/** A first byte within this time of connect() counts as a greeting. */
const GREETING_US = 1e6;

/** Returns the misses of connections, messages, handlers and thresholds. */
export function allMisses(run: RunFacts, state: RunState, measured: Parameters<typeof thresholdMisses>[1]): Miss[] {
  const { thresholds } = run.settings;
  const isTolerant = toleratesFailures(thresholds, measured);
  const found = findMisses(run, state);
  return [
    ...(isTolerant ? withoutTolerated(found, measured) : found),
    ...messageMisses(run, isTolerant),
    responseMiss(run, measured.requested),
    // An error in the user's file is a mistake, so thresholds for connections do not cover it.
    {
      kind: "handler-errors",
      count: run.script?.countErrors(run.pool.memories) ?? 0,
      of: sumCounter(run.pool.memories, COUNTER.established),
    },
    ...thresholdMisses(thresholds, measured),
  ];
}

/** Counts error responses over connections that were ready, unless the share allowed to fail covers them. */
function responseMiss({ pool: { memories }, settings }: RunFacts, requested: number): Miss {
  const sum = (counter: number) => sumCounter(memories, counter);
  // A response that was cut short is an unanswered message.
  const statuses = reportFailures(memories).statuses.filter(({ errno }) => errno.startsWith("HTTP "));
  const errors = statuses.reduce((total, { count }) => total + count, 0);
  const final = [COUNTER.responses2xx, COUNTER.responses3xx, COUNTER.responses4xx, COUNTER.responses5xx];
  const of = final.reduce((total, counter) => total + sum(counter), 0);
  return { kind: "errors", count: errors > allowedErrors(settings.thresholds, of, requested) ? errors : 0, of };
}

/** Returns an entry for every kind of miss; a count of 0 means that it did not occur. */
function findMisses(run: RunFacts, state: RunState): Miss[] {
  const { connections: requested, isStaged, isSingle, closesGreeted } = run.settings;
  const sum = (counter: number) => sumCounter(run.pool.memories, counter);
  const { kernel, peer, evidence } = state;
  const [established, ready] = [sum(COUNTER.established), sum(COUNTER.ready)];
  // Stages open and close connections, so count failed attempts, or the shortfall of the peak if a shortage of memory
  // or open files ended the ramp.
  const unmade = isStaged
    ? Math.max(sum(COUNTER.failed), state.memoryStop || state.fileStop ? requested - peakOf(run, state) : 0)
    : Math.max(requested - established, 0);
  const misses: Miss[] = [
    { kind: "established", count: unmade, of: isStaged ? Math.max(requested, unmade) : requested },
  ];
  // With stages, connections that were never ready are already among the failed attempts.
  if (!isStaged) misses.push({ kind: "unready", count: established - ready, of: established });
  // closeAfterGreeting implies that greetings are expected.
  if (closesGreeted) {
    misses.push({ kind: "ungreeted", count: Math.max(0, established - sum(COUNTER.greeted)), of: established });
  }
  // A single connection lasts until its server closes it, which is not a loss.
  if (isSingle) return misses;
  const { accepting } = state;
  const ends = { kernel, openAtStop: sum(COUNTER.open), evidence: { ...evidence, peer, accepting } };
  return [
    ...misses,
    { kind: "lost", count: sum(COUNTER.lost), of: established },
    { kind: "unreopened", count: sum(COUNTER.unreopened), of: established },
    {
      kind: "half-open",
      count: countHalfOpen(ends),
      of: kernel ? outgoingOf(ends) : 0,
    },
    // The waiting connections may include those of other programs from the same addresses.
    { kind: "unaccepted", count: Math.min(accepting?.waiting ?? 0, established), of: established },
    { kind: "ungreeted", count: countUngreeted(run, state), of: established },
  ];
}

/** Returns the peak number of open connections. */
export function peakOf({ pool }: RunFacts, { peakOpen }: RunState): number {
  return Math.max(peakOpen, sumCounter(pool.memories, COUNTER.open));
}

/**
 * Counts open connections with and without a greeting; undefined if no greeting arrived or the run does not measure
 * them.
 */
export function countGreetings({ pool, settings, histograms }: RunFacts): ConnectResult["greetings"] {
  const greeted = histograms.firstByte.count;
  if (greeted === 0 || settings.message || settings.closesGreeted || settings.isSingle) return undefined;
  return { greeted, ...sectionOf(CLIENT_METRICS, readMetrics(CLIENT_METRICS, pool.memories), "greetings") };
}

/**
 * Counts connections not greeted by a server that greets. A server counts as greeting if it greets most connections, or
 * if the connections that it did greet were greeted soon. Late data may be something other than a greeting, such as an
 * update for some clients.
 */
function countUngreeted(run: RunFacts, { accepting }: RunState): number {
  const { greeted = 0, ungreeted = 0 } = countGreetings(run) ?? {};
  const p90Us = run.histograms.firstByte.percentile(90);
  const isGreeter = greeted >= ungreeted || p90Us <= GREETING_US;
  // A server at its limit may send data only to connections that it then closes. A refusal is not a greeting.
  if (greeted <= sumCounter(run.pool.memories, COUNTER.lost)) return 0;
  // Connections that were not accepted are reported separately.
  return isGreeter ? Math.max(0, ungreeted - (accepting?.waiting ?? 0)) : 0;
}
