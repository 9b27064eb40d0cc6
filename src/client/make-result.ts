// Makes a client's result out of the counters, the histograms and the kernel's tables.

import { readMetrics, sectionOf } from "../engine/metrics.js";
import { describeHost } from "../linux/proc/host.js";
import { TuplePlanner } from "../planning/tuple-plan.js";
import type { ConnectResult } from "../results/connect.js";
import { summarizeLatency } from "../results/histogram/summarize.js";
import { toBound } from "../util/bound.js";
import { formatEndpoint, type PortRange } from "../util/endpoint.js";
import { countDestinations, listEndpoints } from "./evidence/by-destination.js";
import { reportFailures } from "./evidence/failures.js";
import { findLossPattern } from "./evidence/loss-pattern.js";
import { reportMessages } from "./messages/report.js";
import { CLIENT_METRICS } from "./metrics.js";
import type { ConnectHistograms, RunFacts, RunState } from "./run-state.js";
import { allMisses, countGreetings, peakOf } from "./verdict/misses.js";
import { judge } from "./verdict/verdict.js";

export function summarizeLatencies(histograms: ConnectHistograms): ConnectResult["latency"] {
  return {
    connect: summarizeLatency(histograms.connect),
    firstByte: summarizeLatency(histograms.firstByte),
    roundTrip: summarizeLatency(histograms.roundTrip),
  };
}

export function makeResult(run: RunFacts, record: RunState): ConnectResult {
  const { memories } = run.pool;
  const metrics = readMetrics(CLIENT_METRICS, memories);
  const { settings, targets, histograms } = run;
  const { failures, losses } = reportFailures(memories);
  const { established, failed, lost } = metrics;
  const requested = settings.connections;
  const endpoints = listEndpoints(targets);
  const { kernel, peer, evidence: noted } = record;
  const perConnection = (bytes: number) => (established === 0 ? 0 : Math.round(bytes / established));
  const sourceAddresses = targets.plan.groups
    .flatMap(({ sources }) => sources)
    .reduce((total, { count }) => total + count, 0);
  const { ports } = targets.plan;
  const ratePerSec = record.rampMs === 0 ? 0 : established / (record.rampMs / 1000);
  const latency = summarizeLatencies(histograms);
  const measured = { latency, ratePerSec, failed, lost, established, requested };
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
    requested,
    ...sectionOf(CLIENT_METRICS, metrics, ""),
    greeted: settings.closesGreeted ? metrics.greeted : undefined,
    peakOpen: peakOf(run, record),
    failures,
    losses,
    setupMs: record.setupMs,
    rampMs: record.rampMs,
    rampShares: record.rampShares,
    scheduleMovedMs: record.scheduleMovedMs,
    gaveUp: record.gaveUp && {
      reason: record.gaveUp,
      untried: Math.max(0, requested - established - failed),
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
      interrupted: record.interrupted,
      peer,
      accepting: record.accepting,
      localPath: record.localPath,
      shortage: record.shortage,
      lossPattern: findLossPattern(memories),
    },
  };
}

function describePorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}
