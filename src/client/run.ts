// Controls a client run from the main thread: starts and paces the workers, watches memory and losses, and builds the
// result. The workers handle the connections themselves.

import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { kernelBytesOf, readMemoryUse } from "../engine/memory-use.js";
import { readMetrics } from "../engine/metrics.js";
import type { RunHandle } from "../engine/run/handle.js";
import { sample } from "../engine/run/sampling.js";
import { readMeminfo } from "../linux/proc/procfs.js";
import type { RunSpec } from "../planning/run-spec.js";
import type { Targets } from "../planning/targets.js";
import { TupleSequence } from "../planning/tuple-plan.js";
import type { ConnectResult, DestinationReport, ResolvedName, RunSample } from "../results/connect.js";
import type { EngineReport } from "../results/engine.js";
import { trace } from "../util/debug/trace.js";
import type { AppError } from "../util/errors.js";
import { countDestinations } from "./evidence/by-destination.js";
import { collectEvidence, countInKernel } from "./evidence/collect.js";
import { ServerSide } from "./evidence/server-side.js";
import { findShortage } from "./evidence/shortage.js";
import { makeResult, summarizeLatencies } from "./make-result.js";
import { answerGraceMs, drainMessages } from "./messages/drain.js";
import { CLIENT_METRICS, COUNTER } from "./metrics.js";
import type { RampCounts } from "./ramp/give-up.js";
import { RampGuard } from "./ramp/guard.js";
import { type ConnectHistograms, measureRamp, newRunState, type RunFacts, readHistograms } from "./run-state.js";
import { type ConnectSettings, settingsOf } from "./settings.js";
import type { ConnectSnapshot } from "./snapshot.js";
import { type MessagePlan, SHARED } from "./worker-plan.js";
import { type Carriers, ClientWorkers } from "./workers.js";

const PACE_MS = 5;
/** A ramp can open about a thousand connections in this time, which is how far it can overshoot the memory floor. */
const RAMP_GUARD_MS = 50;
const GUARD_MS = 250;
/**
 * Time before the end of the hold. Connections in the server's accept queue both then and at the end are considered not
 * accepted.
 */
const EARLY_SAMPLE_MS = 1000;

export interface ConnectEvents {
  /** A connection is ESTABLISHED. Emitted for a single connection only. */
  opened: [local: { readonly ip: string; readonly port: number }];
  /** Text was received. Emitted for a single connection only. */
  received: [text: string];
}

/** A running client. */
export class ConnectRun extends EventEmitter<ConnectEvents> implements RunHandle<ConnectResult, ConnectSnapshot> {
  /** Resolves when the ramp ends for any reason; rejects with an AppError if the run cannot continue. */
  readonly ready: Promise<void>;
  /** Resolves when all connections are closed; rejects with an AppError if the run cannot continue. */
  readonly done: Promise<ConnectResult>;
  /** Specification of this run as plain data, with all defaults filled in. */
  readonly spec: RunSpec;
  /** Host names among the destinations, as resolved. */
  readonly names: readonly ResolvedName[];
  /** Number of available 4-tuples, which limits how many connections can be open at once. */
  readonly tuplesAvailable: number;
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  readonly #engine: EngineReport;
  /** Histograms at the last reset of the latencies. */
  #timedBefore: ConnectHistograms | undefined;
  readonly #workers: ClientWorkers;
  readonly #startMs = performance.now();
  readonly #state = newRunState();
  readonly #stopping = new AbortController();
  readonly #server: ServerSide;
  readonly #rampGuard: RampGuard;
  #stage: ConnectSnapshot["stage"] = "ramp";
  #rampEnded!: () => void;
  #fault: AppError | undefined;
  #holdUntilMs: number | undefined;

  constructor(
    spec: RunSpec,
    targets: Targets,
    carriers: Carriers,
    complete: (result: ConnectResult) => ConnectResult = (result) => result,
  ) {
    super();
    const settings = settingsOf(spec);
    this.spec = spec;
    this.#settings = settings;
    this.#targets = targets;
    this.#engine = carriers.engine;
    this.names = targets.names;
    this.tuplesAvailable = new TupleSequence(targets.plan).count;
    this.#server = new ServerSide(targets);
    this.#rampGuard = new RampGuard(settings);
    this.#workers = new ClientWorkers(settings, targets, carriers, {
      opened: (local) => this.emit("opened", local),
      received: (text) => this.emit("received", text),
      moved: () => this.#pace(),
      failed: (fault) => this.#fail(fault),
    });
    let isReady!: () => void;
    const rampOver = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    this.done = this.#run(isReady).then(complete);
    this.ready = Promise.race([rampOver, this.done.then(() => undefined)]);
    // Callers that ignore `ready` must not get an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  /**
   * Closes all connections and resolves with the result. Repeated calls have no further effect. During the ramp, or a
   * hold with a time limit, this interrupts the run; a hold without a limit ends normally.
   */
  stop(): Promise<ConnectResult> {
    if (this.#wouldGoOn() && !this.#stopping.signal.aborted) this.#state.wasInterrupted = true;
    this.#stopping.abort();
    return this.done;
  }

  /** Ends at once and leaves closing to the kernel, which does it when the process exits. */
  abort(): void {
    this.#workers.pool.abort();
    this.#stopping.abort();
  }

  snapshot(): ConnectSnapshot {
    const now = performance.now();
    const metrics = readMetrics(CLIENT_METRICS, this.#workers.memories);
    return {
      ...metrics,
      open: this.#stage === "closed" ? 0 : metrics.open,
      elapsedMs: now - this.#startMs,
      stage: this.#stage,
      requested: this.#settings.connections,
      wanted: this.#workers.pacer.wantedAt(now),
      leftMs: this.#holdUntilMs === undefined ? undefined : Math.max(0, this.#holdUntilMs - now),
    };
  }

  /** Counts so far for each destination; undefined for a single destination or for too many of them. */
  byDestination(): readonly DestinationReport[] | undefined {
    return countDestinations({ destinationCounts: this.#workers.destinationCounts, targets: this.#targets });
  }

  /** Latencies so far. */
  latency(): ConnectResult["latency"] {
    return summarizeLatencies(this.#histograms);
  }

  /** Resets the latencies, for example after a warm-up. The result covers only what is measured from now on. */
  resetLatency(): void {
    this.#timedBefore = readHistograms(this.#workers.memories);
  }

  /** Yields snapshots at regular intervals until the run ends. */
  snapshots(intervalMs = 1000): AsyncGenerator<ConnectSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ConnectSnapshot> {
    return this.snapshots();
  }

  get #histograms(): ConnectHistograms {
    return readHistograms(this.#workers.memories, this.#timedBefore);
  }

  get #facts(): RunFacts {
    return {
      settings: this.#settings,
      targets: this.#targets,
      engine: this.#engine,
      histograms: this.#histograms,
      pool: this.#workers.pool,
      nofileLimit: this.#workers.nofileLimit,
      destinationCounts: this.#workers.destinationCounts,
    };
  }

  #wouldGoOn(): boolean {
    if (this.#stage === "ramp" && !this.#areAllReady()) return true;
    if (this.#stage !== "ramp" && this.#stage !== "hold") return false;
    const isOver = this.#holdUntilMs !== undefined && performance.now() >= this.#holdUntilMs;
    return !isOver && this.#settings.durationMs !== Number.POSITIVE_INFINITY;
  }

  /** A caller that sees all connections ready may call stop() just before the ramp ends. */
  #areAllReady(): boolean {
    const { isStaged, connections } = this.#settings;
    return !isStaged && this.#workers.sum(COUNTER.ready) >= connections;
  }

  async #run(isReady: () => void): Promise<ConnectResult> {
    const timers = [setInterval(() => this.#guard(), GUARD_MS)];
    if (this.#settings.isPaced) timers.push(setInterval(() => this.#pace(), PACE_MS));
    try {
      await this.#ramp();
      isReady();
      await this.#hold();
      return await this.#close();
    } finally {
      for (const timer of timers) clearInterval(timer);
      await this.#workers.pool.stop();
      this.#workers.releaseReserve();
    }
  }

  async #ramp(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#rampEnded = resolve;
    });
    this.#stopping.signal.addEventListener("abort", () => this.#endRamp(), { once: true });
    const guard = setInterval(() => this.#guard(), RAMP_GUARD_MS);
    this.#state.samples.mark(this.#sample());
    // This read finishes before the threads have started.
    this.#server.begin();
    this.#pace();
    await ended;
    clearInterval(guard);
    this.#state.samples.mark(this.#sample());
    this.#state.scheduleMovedMs = this.#workers.pacer.movedMs;
    Object.assign(this.#state, measureRamp(this.#workers.memories, this.#startMs, this.#stopping.signal.aborted));
    this.#state.wasRampInterrupted = this.#stopping.signal.aborted && !this.#areAllReady();
    if (this.#fault) throw this.#fault;
  }

  async #hold(): Promise<void> {
    const settings = this.#settings;
    const startMs = performance.now();
    this.#enter("hold");
    this.#workers.releaseReserve();
    this.#guard();
    if (settings.durationMs !== Number.POSITIVE_INFINITY) this.#holdUntilMs = startMs + settings.durationMs;
    this.#state.held = readMemoryUse();
    const counted = this.#state.wasRampInterrupted ? undefined : countInKernel(this.#targets);
    const shortage = findShortage(this.#targets, this.#workers.memories);
    // setTimeout() is limited to 31 bits (24.8 days), so longer holds wait for that long.
    const endMs = startMs + Math.min(settings.durationMs, 2 ** 31 - 1);
    await this.#pass(endMs - EARLY_SAMPLE_MS);
    if (!settings.isSingle && !this.#stopping.signal.aborted) await this.#server.sampleEarly();
    await this.#pass(endMs);
    this.#state.holdMs = performance.now() - startMs;
    this.#state.samples.mark(this.#sample());
    this.#state.kernel = await counted;
    this.#state.shortage = await shortage;
    await collectEvidence(this.#facts, this.#state, this.#server);
    if (this.#fault) throw this.#fault;
  }

  /** Waits until `untilMs` or until the run is stopped. Returns at once if nothing is open. */
  async #pass(untilMs: number): Promise<void> {
    const { signal } = this.#stopping;
    const leftMs = untilMs - performance.now();
    if (leftMs > 0 && this.#isAnythingOpen()) await delay(leftMs, undefined, { signal }).catch(() => undefined);
  }

  async #close(): Promise<ConnectResult> {
    const startMs = performance.now();
    if (this.#settings.message) await this.#drain(this.#settings.message);
    this.#enter("close");
    const { firstByte } = this.#histograms;
    this.#workers.share(SHARED.longestFirstByteMs, Math.ceil(firstByte.max / 1000));
    await this.#workers.pool.stop();
    this.#enter("closed");
    this.#state.closeMs = performance.now() - startMs;
    this.#state.samples.mark(this.#sample());
    // Answers were awaited until now. If some are missing, the server may be stopped (SIGSTOP).
    if (this.#workers.sum(COUNTER.unansweredMessages) > 0 && !this.#state.wasInterrupted) {
      this.#state.peer ??= await this.#server.inspect();
    }
    return makeResult(this.#facts, this.#state);
  }

  async #drain(message: MessagePlan): Promise<void> {
    this.#enter("drain");
    await drainMessages(this.#workers.pool, message, this.#state.wasInterrupted);
    this.#workers.share(SHARED.answerGraceMs, answerGraceMs(this.#histograms.roundTrip));
  }

  #enter(stage: ConnectSnapshot["stage"]): void {
    this.#stage = stage;
    trace("run", () => {
      const { established, failed, open } = this.snapshot();
      return `${stage}: ${established} established, ${failed} failed, ${open} open`;
    });
  }

  #pace(): void {
    if (this.#stage === "ramp" && !this.#stopping.signal.aborted && this.#workers.pacer.pace()) this.#rampEnded();
  }

  #sample(): RunSample {
    const { elapsedMs, open, established, failed } = this.snapshot();
    return { elapsedMs, open, established, failed };
  }

  /**
   * Records a sample, stops a ramp that reaches the memory floor or makes no progress, and ends a hold that has lost
   * all connections.
   */
  #guard(): void {
    const sample = this.#sample();
    this.#state.peakOpen = Math.max(this.#state.peakOpen, sample.open);
    this.#state.samples.add(sample);
    const meminfo = readMeminfo();
    const kernelBytes = kernelBytesOf(meminfo);
    if (this.#stage === "ramp") this.#state.memoryFit.grown(sample.open, kernelBytes);
    else if (this.#stage === "hold") this.#state.memoryFit.held(performance.now(), kernelBytes);
    if (this.#stage === "ramp") {
      if (this.#rampGuard.check(this.#state, this.#rampCounts(), meminfo)) this.#endRamp();
    } else if (this.#stage === "hold" && !this.#isAnythingOpen()) {
      this.#stopping.abort();
    }
  }

  #rampCounts(): RampCounts {
    const workers = this.#workers;
    return {
      ready: workers.sum(COUNTER.ready),
      failed: workers.sum(COUNTER.failed),
      timedOut: workers.timedOut(),
    };
  }

  #endRamp(): void {
    this.#workers.endRamp();
    this.#rampEnded();
  }

  #isAnythingOpen(): boolean {
    return this.#workers.sum(COUNTER.open) > 0;
  }

  #fail(fault: AppError): void {
    this.#fault ??= fault;
    this.#rampEnded();
    this.#stopping.abort();
  }
}
