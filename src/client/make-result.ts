// Makes a client's result out of the counters, the histograms and the kernel's tables.

import { collectFailures, type FailureCount } from "../engine/failures.js";
import { readMetrics, sectionOf } from "../engine/metrics.js";
import { type ShardMemory, sumCounter } from "../engine/worker-memory.js";
import { describeHost } from "../linux/proc/host.js";
import { errnoName } from "../linux/syscalls/errno.js";
import type { Targets } from "../planning/targets.js";
import { TuplePlanner } from "../planning/tuple-plan.js";
import type { ConnectResult, Endpoint, Miss } from "../results/connect.js";
import type { FailureReport, Phase } from "../results/fields.js";
import { summarizeLatency } from "../results/histogram/summarize.js";
import type { LocalPeer, LossPattern } from "../results/peer.js";
import { thresholdMisses, toleratesFailures, withoutTolerated } from "../results/thresholds.js";
import { countSockets } from "../socket-table/count.js";
import { inspectPeer, type ListenQueue, readListenQueues } from "../socket-table/listeners/peer.js";
import { formatIp } from "../util/address.js";
import { toBound } from "../util/bound.js";
import { formatEndpoint, type PortRange } from "../util/endpoint.js";
import { DestinationTally } from "./evidence/destination-counts.js";
import { countHalfMade } from "./evidence/unaccepted.js";
import { messageMisses, reportMessages } from "./messages/report.js";
import { CLIENT_METRICS } from "./metrics.js";
import type { ConnectHistograms, RunFacts, RunRecord } from "./run-state.js";
import { judge } from "./verdict/verdict.js";
import { COUNTER } from "./worker-plan.js";

/** A first byte within this time of connect() is a greeting. */
const GREETING_US = 1e6;

/** The server's listening sockets, where they are on this host and can be seen. */
export async function readServerQueues(targets: Targets): Promise<readonly ListenQueue[] | undefined> {
  if (!targets.isLocal) return undefined;
  return readListenQueues(targets.endpoints).catch(() => undefined);
}

/** Looks at the server's side, where that is this host. @param before its listening sockets when the run began */
export async function inspectServer(
  targets: Targets,
  before: readonly ListenQueue[] | undefined,
): Promise<LocalPeer | undefined> {
  return targets.isLocal ? inspectPeer(targets.endpoints, before) : undefined;
}

/** Counts the held connections in the kernel's socket table, from both ends where both are here. */
export async function countInKernel(targets: Targets): Promise<ConnectResult["kernel"]> {
  const { endpoints, isLocal } = targets;
  const outgoing = await countSockets({ end: "remote", endpoints });
  const incoming = isLocal ? await countSockets({ end: "local", endpoints }) : undefined;
  return { source: outgoing.source, outgoing: outgoing.sockets, incoming: incoming?.sockets ?? 0 };
}

export function summarizeLatencies(histograms: ConnectHistograms): ConnectResult["latency"] {
  return {
    connect: summarizeLatency(histograms.connect),
    firstByte: summarizeLatency(histograms.firstByte),
    roundTrip: summarizeLatency(histograms.roundTrip),
  };
}

export function makeResult(run: RunFacts, record: RunRecord): ConnectResult {
  const { memories } = run.pool;
  const metrics = readMetrics(CLIENT_METRICS, memories);
  const { settings, targets, histograms } = run;
  const all = collectFailures(memories);
  const failures = all.filter(({ phase }) => phase !== "hold" && phase !== "send");
  const losses = all.filter(({ phase }) => phase === "hold");
  const { established, failed, lost } = metrics;
  const asked = settings.connections;
  const endpoints = listEndpoints(targets);
  const { kernel, peer, evidence: noted } = record;
  const perConnection = (bytes: number) => (established === 0 ? 0 : Math.round(bytes / established));
  const sourceAddresses = targets.plan.groups
    .flatMap(({ sources }) => sources)
    .reduce((total, { count }) => total + count, 0);
  const { ports } = targets.plan;
  const ratePerSec = record.rampMs === 0 ? 0 : established / (record.rampMs / 1000);
  const latency = summarizeLatencies(histograms);
  const measured = { latency, ratePerSec, failed, lost, established, asked };
  return {
    kind: "connect",
    version: 1,
    startedAt: record.startedAt.toISOString(),
    host: describeHost(),
    destinations: endpoints.map(({ ip, port }) => formatEndpoint(ip, port)),
    endpoints,
    names: targets.names,
    byDestination: countDestinations(run),
    ...judge(record.wasInterrupted, allMisses(run, record, measured)),
    thresholds: settings.thresholds,
    asked,
    ...sectionOf(CLIENT_METRICS, metrics, ""),
    greeted: settings.closesGreeted ? metrics.greeted : undefined,
    peakOpen: peakOf(run, record),
    failures: failures.map(toReport),
    losses: losses.map(toReport),
    setupMs: record.setupMs,
    rampMs: record.rampMs,
    rampShares: record.rampShares,
    scheduleMovedMs: record.scheduleMovedMs,
    gaveUp: record.gaveUp && {
      reason: record.gaveUp,
      untried: Math.max(0, asked - established - failed),
    },
    holdMs: record.holdMs,
    closeMs: record.closeMs,
    samples: record.samples.list(),
    ratePerSec,
    latency,
    messages: reportMessages(run),
    greetings: countGreetings(run),
    traffic: sectionOf(CLIENT_METRICS, metrics, "traffic"),
    memory: {
      userBytesPerConnection: perConnection(record.held.residentBytes - record.before.residentBytes),
      kernelBytesPerConnection: perConnection(record.held.kernelBytes - record.before.kernelBytes),
      kernelErrorPerConnection: record.memoryFit.errorPerConnection(established, record.rampMs),
      kernelEnds: targets.isLocal ? "both" : "one",
    },
    kernel,
    plan: {
      tuplesAvailable: new TuplePlanner(targets.plan).count,
      ...sectionOf(CLIENT_METRICS, metrics, "plan"),
      sourceAddresses,
      sourcePorts: ports.chosenBy === "kernel" ? "kernel" : describePorts(ports.range),
    },
    threads: run.pool.size,
    hasPrivateTables: run.pool.hasPrivateTables,
    nofileLimit: toBound(run.nofileLimit),
    evidence: {
      ...noted,
      memoryStop: record.memoryStop,
      fileStop: record.fileStop,
      wasCutShort: record.wasCutShort,
      peer,
      accepting: record.accepting,
      localPath: record.localPath,
      shortage: record.shortage,
      lossPattern: findPattern(memories),
    },
  };
}

function peakOf({ pool }: RunFacts, { peakOpen }: RunRecord): number {
  return Math.max(peakOpen, sumCounter(pool.memories, COUNTER.open));
}

/** What is missing of the connections, of the messages, and to what a caller allows. */
function allMisses(run: RunFacts, record: RunRecord, measured: Parameters<typeof thresholdMisses>[1]): Miss[] {
  const { thresholds } = run.settings;
  const isTolerant = toleratesFailures(thresholds, measured);
  const found = findMisses(run, record);
  return [
    ...(isTolerant ? withoutTolerated(found, measured) : found),
    ...messageMisses(run, isTolerant),
    ...thresholdMisses(thresholds, measured),
  ];
}

/** Everything that a run may be short of; a count of 0 is no miss. */
function findMisses(run: RunFacts, record: RunRecord): Miss[] {
  const { connections: asked, isStaged, isSingle, closesGreeted } = run.settings;
  const sum = (counter: number) => sumCounter(run.pool.memories, counter);
  const { kernel, peer, evidence } = record;
  const established = sum(COUNTER.established);
  // Stages close and open: what they come to is whether each attempt succeeded, and the peak when memory ended them.
  const unmade = isStaged
    ? Math.max(sum(COUNTER.failed), record.memoryStop || record.fileStop ? asked - peakOf(run, record) : 0)
    : Math.max(asked - established, 0);
  const misses: Miss[] = [{ kind: "established", count: unmade, of: isStaged ? Math.max(asked, unmade) : asked }];
  // Whoever asked for connections that close after their greeting asked for the greetings.
  if (closesGreeted) {
    misses.push({ kind: "ungreeted", count: Math.max(0, established - sum(COUNTER.greeted)), of: established });
  }
  // A single connection stays until its server closes it: that is its end, and no loss.
  if (isSingle) return misses;
  const { accepting } = record;
  return [
    ...misses,
    { kind: "lost", count: sum(COUNTER.lost), of: established },
    {
      kind: "half-open",
      count: countHalfMade({ kernel, evidence: { ...evidence, peer, accepting } }),
      of: kernel?.outgoing ?? 0,
    },
    // Others' connections from the same addresses may be among those that wait.
    { kind: "unaccepted", count: Math.min(accepting?.waiting ?? 0, established), of: established },
    { kind: "ungreeted", count: countUngreeted(run, record), of: established },
  ];
}

function countGreetings({ pool, settings, histograms }: RunFacts): ConnectResult["greetings"] {
  const greeted = histograms.firstByte.count;
  if (greeted === 0 || settings.message || settings.closesGreeted || settings.isSingle) return undefined;
  return { greeted, ...sectionOf(CLIENT_METRICS, readMetrics(CLIENT_METRICS, pool.memories), "greetings") };
}

/**
 * Connections that a server which greets has not greeted. One that greets most of them does; of one that spoke to fewer it is known
 * only where they heard of it soon: what comes later may be no greeting, such as news for some of them.
 */
function countUngreeted(run: RunFacts, { accepting }: RunRecord): number {
  const { greeted = 0, ungreeted = 0 } = countGreetings(run) ?? {};
  const p90Us = run.histograms.firstByte.percentile(90);
  const isGreeter = greeted >= ungreeted || p90Us <= GREETING_US;
  // A server at its maximum may speak to those alone that it then closes: a refusal is no greeting.
  if (greeted <= sumCounter(run.pool.memories, COUNTER.lost)) return 0;
  // What was not accepted is told as that.
  return isGreeter ? Math.max(0, ungreeted - (accepting?.waiting ?? 0)) : 0;
}

function findPattern(memories: readonly ShardMemory[]): LossPattern | undefined {
  const losing = memories.filter(({ counters }) => counters[COUNTER.firstLostAt]! > 0);
  if (losing.length === 0) return undefined;
  const values = (counter: number) => losing.map(({ counters }) => counters[counter]!);
  // Each thread has a clock of its own: only differences are compared.
  const spans = losing.map(({ counters }) => counters[COUNTER.lastLostAt]! - counters[COUNTER.firstLostAt]!);
  return {
    shortestHeldMs: Math.round(Math.min(...values(COUNTER.shortestHeldMs))),
    longestHeldMs: Math.round(Math.max(...values(COUNTER.longestHeldMs))),
    openedOverMs: Math.round(Math.max(...spans)),
    kept: sumCounter(losing, COUNTER.kept),
    keptOlder: sumCounter(losing, COUNTER.keptOlder),
    keptYounger: sumCounter(losing, COUNTER.keptYounger),
    oldestKeptMs: Math.round(Math.max(...values(COUNTER.oldestKeptMs))),
  };
}

function nameOf(phase: Phase, errno: number): string {
  if (errno !== 0) return errnoName(errno);
  return phase === "connect" ? "SELF" : "FIN";
}

function toReport({ phase, errno, count }: FailureCount): FailureReport {
  return { phase, errno: nameOf(phase, errno), count };
}

/** What came of each destination so far; undefined where there is one, or very many. */
export function countDestinations({
  tally,
  targets,
}: Pick<RunFacts, "tally" | "targets">): ConnectResult["byDestination"] {
  if (!tally) return undefined;
  const counts = new DestinationTally(tally).list();
  return listEndpoints(targets).map(({ ip, port }, number) => {
    const to = formatEndpoint(ip, port);
    const { established, failed, phase, errno } = counts[number]!;
    return { to, established, failed, ...(phase && { lastFailure: { phase, errno: nameOf(phase, errno) } }) };
  });
}

function listEndpoints(targets: Targets): Endpoint[] {
  return targets.plan.groups.flatMap(({ destinations }) =>
    destinations.map(({ ip, port }) => ({ ip: formatIp(ip), port })),
  );
}

function describePorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}
