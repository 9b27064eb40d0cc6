// Merges the results of two servers that shared a load. mergeResults() (index.ts) documents which values are not exact.
import type { ServeResult } from "../serve.js";
import { lowest, mergeFailures } from "./connect.js";
import { mergeEvidence } from "./evidence.js";
import { addPackets } from "./packets.js";
import { mergeScript } from "./script.js";
import { add, addResponses, addTls, agreed, both, either, oneOf, weighted } from "./values.js";

export function mergeServe(a: ServeResult, b: ServeResult): ServeResult {
  const startMs = Math.min(Date.parse(a.startedAt), Date.parse(b.startedAt));
  const endMs = Math.max(...[a, b].map(({ startedAt, elapsedMs }) => Date.parse(startedAt) + elapsedMs));
  return {
    kind: "serve",
    version: 1,
    startedAt: new Date(startMs).toISOString(),
    address: oneOf(a.address, b.address),
    elapsedMs: endMs - startMs,
    protocol: agreed(a.protocol, b.protocol),
    script: both(a.script, b.script, mergeScript),
    accepted: a.accepted + b.accepted,
    ready: both(a.ready, b.ready, add),
    peakOpen: a.peakOpen + b.peakOpen,
    openAtStop: a.openAtStop + b.openAtStop,
    transport: a.transport === b.transport ? a.transport : undefined,
    packets: either(a.packets, b.packets, addPackets),
    kernel: both(a.kernel, b.kernel, (x, y) => ({
      source: oneOf(x.source, y.source),
      sockets: x.sockets + y.sockets,
    })),
    rejected: a.rejected + b.rejected,
    sentBytes: a.sentBytes + b.sentBytes,
    receivedBytes: a.receivedBytes + b.receivedBytes,
    failures: mergeFailures(a.failures, b.failures),
    heartbeats: either(a.heartbeats, b.heartbeats, (x, y) => ({
      sent: x.sent + y.sent,
      answered: x.answered + y.answered,
      received: either(x.received, y.received, (one, other) => one + other),
    })),
    proxyProtocol: either(a.proxyProtocol, b.proxyProtocol, (x, y) => ({
      v1: x.v1 + y.v1,
      v2: x.v2 + y.v2,
      withoutClient: x.withoutClient + y.withoutClient,
    })),
    unexpectedProxyHeaders: either(a.unexpectedProxyHeaders, b.unexpectedProxyHeaders, add),
    tls: either(a.tls, b.tls, addTls),
    responses: either(a.responses, b.responses, addResponses),
    tableFull: a.tableFull + b.tableFull,
    backlog: {
      length: Math.min(a.backlog.length, b.backlog.length),
      drops: both(a.backlog.drops, b.backlog.drops, add),
      listenOverflows: a.backlog.listenOverflows + b.backlog.listenOverflows,
      listenDrops: a.backlog.listenDrops + b.backlog.listenDrops,
    },
    memory: {
      residentBytes: a.memory.residentBytes + b.memory.residentBytes,
      userBytesPerConnection: weighted(
        a.memory.userBytesPerConnection,
        a.peakOpen,
        b.memory.userBytesPerConnection,
        b.peakOpen,
      ),
    },
    threads: a.threads + b.threads,
    hasPrivateTables: a.hasPrivateTables && b.hasPrivateTables,
    nofileLimit: lowest(a.nofileLimit, b.nofileLimit),
    engine: agreed(a.engine, b.engine),
    evidence: mergeEvidence(a.evidence, b.evidence),
    diagnosis: undefined,
  };
}
