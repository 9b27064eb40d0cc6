// State that a run records in addition to the workers' counters, such as times, memory use and how the run ended. The
// result is built from this state.

import { type MemoryUse, readMemoryUse } from "../engine/memory-use.js";
import { readCounters } from "../engine/run/evidence.js";
import type { ScriptRun } from "../engine/script/run.js";
import type { WorkerMemory } from "../engine/worker-memory.js";
import type { Targets } from "../planning/targets.js";
import type { ConnectResult, GiveUpReason, RampShares } from "../results/connect.js";
import type { EngineReport, PacketCounts } from "../results/engine.js";
import type { FileRoom, MemoryRoom, RunEvidence } from "../results/evidence.js";
import type { Counters } from "../results/fields.js";
import type { Accepting, LocalPath, LocalPeer, PortShortage, Unacknowledged } from "../results/peer.js";
import { Samples } from "./evidence/samples.js";
import { COUNTER } from "./metrics.js";
import { MemoryFit } from "./ramp/memory-fit.js";
import { readRampShares } from "./ramp/waits.js";
import type { ConnectHistograms } from "./result/latencies.js";
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
  /** Memory figures at the moment when low memory stopped the ramp. */
  memoryStop: MemoryRoom | undefined;
  /** Figures on the host's open files at the moment when a shortage of them stopped the ramp. */
  fileStop: FileRoom | undefined;
  /** Why the ramp was abandoned. */
  gaveUp: GiveUpReason | undefined;
  /** How far the schedule was shifted because this process was not running. */
  scheduleMovedMs: number;
  /** Times in which this process did not run. */
  standstills: ConnectResult["standstills"];
  /** True if stop() was called before the ramp ended. */
  wasRampInterrupted: boolean;
  /** True if stop() was called before the run would have ended by itself. */
  wasInterrupted: boolean;
  kernel: ConnectResult["kernel"];
  /** Undefined when nothing failed. */
  localPath: LocalPath | undefined;
  /** Kernel counters at the start of the run. */
  readonly countersBefore: Counters;
  evidence: Pick<RunEvidence, "deltas" | "settings" | "gauges">;
  peer: LocalPeer | undefined;
  accepting: Accepting | undefined;
  shortage: PortShortage | undefined;
  /** Undefined if every message and heartbeat was answered. */
  unacknowledged: Unacknowledged | undefined;
}

/** The parts of a run that its result is built from. */
export interface RunFacts {
  readonly settings: ConnectSettings;
  readonly targets: Targets;
  readonly engine: EngineReport;
  readonly histograms: ConnectHistograms;
  readonly pool: { readonly memories: WorkerMemory[]; readonly size: number; readonly hasPrivateTables: boolean };
  readonly nofileLimit: number;
  /** Undefined for kernel sockets. */
  readonly packets: PacketCounts | undefined;
  /** The script; undefined for other protocols. */
  readonly script: ScriptRun | undefined;
  /** Memory for DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
}

export function newRunState(): RunState {
  // Before anything is read, because the start of the ramp is known relative to this moment.
  const startedAt = new Date();
  const before = readMemoryUse();
  return {
    startedAt,
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
    standstills: undefined,
    wasRampInterrupted: false,
    wasInterrupted: false,
    kernel: undefined,
    localPath: undefined,
    countersBefore: readCounters(),
    evidence: { deltas: {}, settings: {}, gauges: {} },
    peer: undefined,
    accepting: undefined,
    shortage: undefined,
    unacknowledged: undefined,
  };
}

/**
 * Measures how long the threads took to start, how long the ramp took by their clocks, and what limited it.
 *
 * @param startMs performance.now() at the start of the run
 * @param wasInterrupted whether the ramp ends now rather than when the workers settled
 */
export function measureRamp(
  memories: readonly WorkerMemory[],
  startMs: number,
  wasInterrupted: boolean,
): Pick<RunState, "setupMs" | "rampMs" | "rampShares"> {
  const now = performance.timeOrigin + performance.now();
  const begun = memories.map(({ counters }) => counters[COUNTER.firstBegunAt]!).filter((time) => time > 0);
  // A run that was stopped before its first connect() has only a set-up time.
  const firstBegun = begun.length > 0 ? Math.min(...begun) : now;
  const lastResolved = Math.max(...memories.map(({ counters }) => counters[COUNTER.lastResolvedAt]!));
  const endedAt = lastResolved > firstBegun && !wasInterrupted ? lastResolved : now;
  return {
    setupMs: Math.max(0, firstBegun - performance.timeOrigin - startMs),
    rampMs: Math.max(0, endedAt - firstBegun),
    rampShares: readRampShares(memories),
  };
}
