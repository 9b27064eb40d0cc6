// Builds a server's result from the workers' counters, the main thread's records and the kernel's counts.

import { collectFailures, failureName } from "../engine/failures.js";
import { readMetrics, sectionOf } from "../engine/metrics.js";
import type { WorkerMemory } from "../engine/worker-memory.js";
import type { RunEvidence } from "../results/evidence.js";
import type { ServeResult } from "../results/serve.js";
import { toBound } from "../util/bound.js";
import type { MemoryGuard } from "./memory-guard.js";
import { SERVER_METRICS } from "./metrics.js";

interface Threads {
  readonly memories: readonly WorkerMemory[];
  readonly size: number;
  readonly hasPrivateTables: boolean;
}

/** Values that a server has recorded by the time it stops. */
interface Notes
  extends Pick<
    ServeResult,
    | "startedAt"
    | "address"
    | "protocol"
    | "script"
    | "elapsedMs"
    | "peakOpen"
    | "openAtStop"
    | "kernel"
    | "transport"
    | "packets"
    | "engine"
  > {
  /** Actual accept queue length. */
  readonly backlogLength: number;
  /**
   * Number of connections dropped by the listening socket; undefined if the kernel does not report this.
   */
  readonly drops: number | undefined;
  /** This process's resident memory before the first connection, in bytes. */
  readonly residentBefore: number;
  /** True if the connections use TLS. */
  readonly isSecure: boolean;
  /** True if the connections begin with a PROXY protocol header. */
  readonly isProxied: boolean;
  readonly nofileLimit: number;
  readonly evidence: Pick<RunEvidence, "deltas" | "settings" | "gauges" | "watchStop">;
}

export function makeResult(
  { memories, size, hasPrivateTables }: Threads,
  { residentAtPeak, memoryStop, fileStop }: MemoryGuard,
  { backlogLength, drops, residentBefore, isSecure, isProxied, nofileLimit, evidence, ...notes }: Notes,
): ServeResult {
  const { startedAt, address, protocol, script, elapsedMs, ...held } = notes;
  const metrics = readMetrics(SERVER_METRICS, memories);
  const grown = Math.max(0, residentAtPeak - residentBefore);
  return {
    kind: "serve",
    version: 1,
    startedAt,
    address,
    elapsedMs,
    protocol,
    script,
    ...sectionOf(SERVER_METRICS, metrics, ""),
    proxyProtocol: isProxied ? sectionOf(SERVER_METRICS, metrics, "proxyProtocol") : undefined,
    tls: isSecure ? sectionOf(SERVER_METRICS, metrics, "tls") : undefined,
    responses: protocol === "http" ? sectionOf(SERVER_METRICS, metrics, "responses") : undefined,
    heartbeats: sectionOf(SERVER_METRICS, metrics, "heartbeats"),
    ...held,
    failures: collectFailures(memories).map(({ phase, errno, count }) => ({
      phase,
      errno: failureName(phase, errno),
      count,
    })),
    backlog: {
      length: backlogLength,
      drops,
      listenOverflows: evidence.deltas["TcpExt.ListenOverflows"] ?? 0,
      listenDrops: evidence.deltas["TcpExt.ListenDrops"] ?? 0,
    },
    memory: {
      residentBytes: residentAtPeak,
      userBytesPerConnection: held.peakOpen === 0 ? 0 : Math.round(grown / held.peakOpen),
    },
    threads: size,
    hasPrivateTables,
    nofileLimit: toBound(nofileLimit),
    evidence: { ...evidence, memoryStop, fileStop, interrupted: false },
  };
}
