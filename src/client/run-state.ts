// What a run notes down on its way, beside the workers' counters: times, memory, how it ended. The report is made of it.

import { type MemoryUse, readMemoryUse } from "../engine/memory-use.js";
import { readHistogram } from "../engine/metrics.js";
import { readCounters } from "../engine/run/evidence.js";
import type { WorkerMemory } from "../engine/worker-memory.js";
import type { Targets } from "../planning/targets.js";
import type { ConnectResult, GiveUpReason, RampShares } from "../results/connect.js";
import type { EngineReport } from "../results/engine.js";
import type { FileRoom, MemoryRoom, RunEvidence } from "../results/evidence.js";
import type { Counters } from "../results/fields.js";
import type { Histogram } from "../results/histogram/histogram.js";
import type { Accepting, LocalPath, LocalPeer, PortShortage } from "../results/peer.js";
import { Samples } from "./evidence/samples.js";
import { COUNTER, HISTOGRAM } from "./metrics.js";
import { MemoryFit } from "./ramp/memory-fit.js";
import { readRampShares } from "./ramp/waits.js";
import type { ConnectSettings } from "./settings.js";

export interface RunState {
  readonly startedAt: Date;
  readonly before: MemoryUse;
  held: MemoryUse;
  readonly memoryFit: MemoryFit;
  peakOpen: number;
  setupMs: number;
  rampMs: number;
  rampShares: RampShares | undefined;
  holdMs: number;
  closeMs: number;
  readonly samples: Samples;
  /** The memory room that stopped the ramp. */
  memoryStop: MemoryRoom | undefined;
  /** The host's open files that stopped the ramp. */
  fileStop: FileRoom | undefined;
  /** Why the ramp was given up. */
  gaveUp: GiveUpReason | undefined;
  /** By how much the schedule moved because this process did not run. */
  scheduleMovedMs: number;
  /** stop() was called before the ramp's end. */
  wasRampInterrupted: boolean;
  /** stop() was called before the run's natural end. */
  wasInterrupted: boolean;
  kernel: ConnectResult["kernel"];
  /** undefined when nothing failed. */
  localPath: LocalPath | undefined;
  /** The kernel's counters when the run began. */
  readonly countersBefore: Counters;
  evidence: Pick<RunEvidence, "deltas" | "settings" | "gauges">;
  peer: LocalPeer | undefined;
  accepting: Accepting | undefined;
  shortage: PortShortage | undefined;
}

export interface ConnectHistograms {
  readonly connect: Histogram;
  readonly tls: Histogram;
  readonly handshake: Histogram;
  readonly firstByte: Histogram;
  readonly roundTrip: Histogram;
}

/** What all workers have timed. @param before what had been timed when the latencies began anew */
export function readHistograms(memories: readonly WorkerMemory[], before?: ConnectHistograms): ConnectHistograms {
  const read = (place: number, earlier?: Histogram) => {
    const histogram = readHistogram(memories, place);
    if (earlier) histogram.subtract(earlier);
    return histogram;
  };
  return {
    connect: read(HISTOGRAM.connectUs, before?.connect),
    tls: read(HISTOGRAM.tlsUs, before?.tls),
    handshake: read(HISTOGRAM.handshakeUs, before?.handshake),
    firstByte: read(HISTOGRAM.firstByteUs, before?.firstByte),
    roundTrip: read(HISTOGRAM.roundTripUs, before?.roundTrip),
  };
}

/** What of a run the report reads. */
export interface RunFacts {
  readonly settings: ConnectSettings;
  readonly targets: Targets;
  readonly engine: EngineReport;
  readonly histograms: ConnectHistograms;
  readonly pool: { readonly memories: WorkerMemory[]; readonly size: number; readonly hasPrivateTables: boolean };
  readonly nofileLimit: number;
  /** DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
}

export function newRunState(): RunState {
  const before = readMemoryUse();
  return {
    startedAt: new Date(),
    before,
    held: before,
    memoryFit: new MemoryFit(),
    peakOpen: 0,
    setupMs: 0,
    rampMs: 0,
    rampShares: undefined,
    holdMs: 0,
    closeMs: 0,
    samples: new Samples(),
    memoryStop: undefined,
    fileStop: undefined,
    gaveUp: undefined,
    scheduleMovedMs: 0,
    wasRampInterrupted: false,
    wasInterrupted: false,
    kernel: undefined,
    localPath: undefined,
    countersBefore: readCounters(),
    evidence: { deltas: {}, settings: {}, gauges: {} },
    peer: undefined,
    accepting: undefined,
    shortage: undefined,
  };
}

/**
 * How long the threads took to start, how long the ramp was by their own clocks, and what it waited for.
 *
 * @param startMs when the run began, by performance.now()
 * @param wasInterrupted the ramp ends now, not when the workers had settled
 */
export function measureRamp(
  memories: readonly WorkerMemory[],
  startMs: number,
  wasInterrupted: boolean,
): Pick<RunState, "setupMs" | "rampMs" | "rampShares"> {
  const now = performance.timeOrigin + performance.now();
  const begun = memories.map(({ counters }) => counters[COUNTER.firstBegunAt]!).filter((time) => time > 0);
  // A run that was stopped before its first connect() has set up, and no more.
  const firstBegun = begun.length > 0 ? Math.min(...begun) : now;
  const lastSettled = Math.max(...memories.map(({ counters }) => counters[COUNTER.lastSettledAt]!));
  const endedAt = lastSettled > firstBegun && !wasInterrupted ? lastSettled : now;
  return {
    setupMs: Math.max(0, firstBegun - performance.timeOrigin - startMs),
    rampMs: Math.max(0, endedAt - firstBegun),
    rampShares: readRampShares(memories),
  };
}
