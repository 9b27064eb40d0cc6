// Results of runs for tests to modify.
import type { ConnectResult, RunEvidence, ServeResult } from "../../src/index.js";
import { parseHostPorts } from "../../src/util/endpoint.js";

const LATENCY = { count: 0, minUs: 0, meanUs: 0, p50Us: 0, p90Us: 0, p99Us: 0, p999Us: 0, maxUs: 0 };
const EVIDENCE: RunEvidence = {
  deltas: {},
  settings: {
    "net.ipv4.ip_local_port_range.first": 32_768,
    "net.ipv4.ip_local_port_range.last": 60_999,
    "net.ipv4.ip_local_port_range.reserved": 0,
  },
  gauges: {},
  memoryStop: undefined,
  interrupted: false,
};

/** Parses a destination such as `10.0.0.1:7777` or `[::1]:80`. */
function endpointIn(destination: string): ConnectResult["endpoints"][number] {
  const { host, ports } = parseHostPorts(destination);
  return { ip: host, port: ports.first };
}

type Changed = Partial<Omit<ConnectResult, "evidence">> & { evidence?: Partial<ConnectResult["evidence"]> };

/** Returns the result of a client run with 1,000 connections that missed its target, with the given changes. */
export function connectResult({ evidence, ...changed }: Changed = {}): ConnectResult {
  return {
    kind: "connect",
    version: 1,
    startedAt: "2026-01-01T00:00:00.000Z",
    destinations: ["10.0.0.1:7777"],
    endpoints: changed.destinations?.map(endpointIn) ?? [{ ip: "10.0.0.1", port: 7777 }],
    outcome: changed.isTargetMet ? "met" : "missed",
    misses: changed.isTargetMet ? [] : [{ kind: "established", count: 400, of: 1000 }],
    isTargetMet: false,
    requested: 1000,
    established: 600,
    peakOpen: 600,
    openAtStop: Math.max(0, (changed.peakOpen ?? 600) - (changed.lost ?? 0)),
    failed: 400,
    failures: [],
    lost: 0,
    losses: [],
    setupMs: 1,
    rampMs: 1,
    holdMs: 1,
    closeMs: 1,
    samples: [],
    ratePerSec: 1,
    latency: { connect: LATENCY, firstByte: LATENCY, roundTrip: LATENCY },
    traffic: {
      sentBytes: 0,
      receivedBytes: 0,
      sentMessages: 0,
      answeredMessages: 0,
      blockedMessages: 0,
      answeringConnections: 0,
    },
    memory: { userBytesPerConnection: 50, kernelBytesPerConnection: 4200, kernelEnds: "one" },
    kernel: { source: "sock_diag", outgoing: 600, incoming: 0 },
    plan: { tuplesAvailable: 64_512, tuplesSkipped: 0, sourceAddresses: 1, sourcePorts: "1024-65535" },
    threads: 1,
    hasPrivateTables: true,
    nofileLimit: 1024,
    ...changed,
    evidence: { ...EVIDENCE, peer: undefined, lossPattern: undefined, ...evidence },
  };
}

/** Returns the result of a server that refused nothing, with the given changes. */
export function serveResult(changed: Partial<ServeResult> = {}): ServeResult {
  return {
    kind: "serve",
    version: 1,
    startedAt: "2026-01-01T00:00:00.000Z",
    address: { ip: "127.0.0.1", port: 7777 },
    elapsedMs: 1,
    accepted: 600,
    peakOpen: 600,
    openAtStop: 0,
    kernel: undefined,
    rejected: 0,
    sentBytes: 0,
    receivedBytes: 0,
    failures: [],
    tableFull: 0,
    backlog: { length: 4096, listenOverflows: 0, listenDrops: 0 },
    memory: { residentBytes: 0, userBytesPerConnection: 0 },
    threads: 2,
    hasPrivateTables: true,
    nofileLimit: 1024,
    evidence: EVIDENCE,
    ...changed,
  };
}
