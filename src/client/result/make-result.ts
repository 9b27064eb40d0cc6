// Builds a client's result from counters, histograms and the kernel's tables.

import { readMetrics, sectionOf } from "../../engine/metrics.js";
import { describeHost } from "../../linux/proc/host.js";
import { TupleSequence } from "../../planning/tuple-plan.js";
import type { ConnectResult } from "../../results/connect.js";
import { toBound } from "../../util/bound.js";
import { formatEndpoint, type PortRange } from "../../util/endpoint.js";
import { countDestinations, listEndpoints } from "../evidence/by-destination.js";
import { reportFailures } from "../evidence/failures.js";
import { findLossPattern } from "../evidence/loss-pattern.js";
import { findOutage } from "../evidence/outage.js";
import { reportDeliveries, reportMessages } from "../messages/report.js";
import { CLIENT_METRICS } from "../metrics.js";
import type { RunFacts, RunState } from "../run-state.js";
import { allMisses, countGreetings, peakOf } from "../verdict/misses.js";
import { judge } from "../verdict/verdict.js";
import { summarizeLatencies } from "./latencies.js";

export function makeResult(run: RunFacts, state: RunState): ConnectResult {
  const { memories } = run.pool;
  const metrics = readMetrics(CLIENT_METRICS, memories);
  const { settings, targets, histograms } = run;
  const { failures, losses, statuses } = reportFailures(memories);
  const { established, ready, failed, lost } = metrics;
  const requested = settings.connections;
  const endpoints = listEndpoints(targets);
  const { kernel, peer, evidence: noted } = state;
  const perConnection = (bytes: number) => (established === 0 ? 0 : Math.round(bytes / established));
  const sourceAddresses = targets.plan.groups
    .flatMap(({ sources }) => sources)
    .reduce((total, { count }) => total + count, 0);
  const { ports } = targets.plan;
  const ratePerSec = state.rampMs === 0 ? 0 : ready / (state.rampMs / 1000);
  const latency = summarizeLatencies(histograms);
  const measured = { latency, ratePerSec, failed, lost, established, requested };
  return {
    kind: "connect",
    version: 1,
    startedAt: state.startedAt.toISOString(),
    host: describeHost(),
    destinations: endpoints.map(({ ip, port }) => formatEndpoint(ip, port)),
    endpoints,
    names: targets.names,
    byDestination: countDestinations(run),
    ...judge(state.wasInterrupted, allMisses(run, state, measured)),
    thresholds: settings.thresholds,
    requested,
    protocol: settings.protocol?.name ?? "tcp",
    script: run.script?.report(memories),
    ...sectionOf(CLIENT_METRICS, metrics, ""),
    greeted: settings.closesGreeted ? metrics.greeted : undefined,
    peakOpen: peakOf(run, state),
    failures,
    losses,
    reopened: settings.reopens ? sectionOf(CLIENT_METRICS, metrics, "reopened") : undefined,
    setupMs: state.setupMs,
    rampMs: state.rampMs,
    rampShares: state.rampShares,
    scheduleMovedMs: state.scheduleMovedMs,
    standstills: state.standstills,
    gaveUp: state.gaveUp && {
      reason: state.gaveUp,
      untried: Math.max(0, requested - ready - failed),
    },
    holdMs: state.holdMs,
    closeMs: state.closeMs,
    samples: state.samples.list(),
    ratePerSec,
    latency,
    responses:
      settings.protocol?.name === "http" ? { ...sectionOf(CLIENT_METRICS, metrics, "responses"), statuses } : undefined,
    messages: reportMessages(run),
    deliveries: reportDeliveries(run),
    greetings: countGreetings(run),
    heartbeats: sectionOf(CLIENT_METRICS, metrics, "heartbeats"),
    tls: settings.tls && sectionOf(CLIENT_METRICS, metrics, "tls"),
    traffic: sectionOf(CLIENT_METRICS, metrics, "traffic"),
    memory: {
      userBytesPerConnection: perConnection(state.held.residentBytes - state.before.residentBytes),
      kernelBytesPerConnection: perConnection(state.held.kernelBytes - state.before.kernelBytes),
      kernelErrorPerConnection: state.memoryFit.errorPerConnection(established, state.rampMs),
      kernelEnds: targets.isLocal ? "both" : "one",
    },
    kernel,
    plan: {
      tuplesAvailable: new TupleSequence(targets.plan).count,
      ...sectionOf(CLIENT_METRICS, metrics, "plan"),
      sourceAddresses,
      sourcePorts: ports.chosenBy === "kernel" ? "kernel" : describePorts(ports.range),
    },
    threads: run.pool.size,
    hasPrivateTables: run.pool.hasPrivateTables,
    nofileLimit: toBound(run.nofileLimit),
    transport: settings.transport,
    packets: run.packets,
    engine: run.engine,
    evidence: {
      ...noted,
      memoryStop: state.memoryStop,
      fileStop: state.fileStop,
      interrupted: state.wasRampInterrupted,
      peer,
      accepting: state.accepting,
      localPath: state.localPath,
      shortage: state.shortage,
      unacknowledged: state.unacknowledged,
      lossPattern: findLossPattern(memories),
      outage: findOutage(memories),
    },
  };
}

function describePorts({ first, last }: PortRange): string {
  return first === last ? `${first}` : `${first}-${last}`;
}
