// The phases of a client run: ramp, hold, drain and close. This class starts and paces the workers, watches memory and
// losses, and builds the result.
import { setTimeout as delay } from "node:timers/promises";
import { kernelBytesOf, readMemoryUse } from "../engine/memory-use.js";
import { readMeminfo } from "../linux/proc/procfs.js";
import type { Targets } from "../planning/targets.js";
import type { ConnectResult, RunSample } from "../results/connect.js";
import { trace } from "../util/debug/trace.js";
import type { AppError } from "../util/errors.js";
import { collectEvidence, countInKernel } from "./evidence/collect.js";
import { inspectLocalPath } from "./evidence/local-path.js";
import { inspectionMs, ServerSide } from "./evidence/server-side.js";
import { findShortage } from "./evidence/shortage.js";
import { StandstillWatch, TICK_MS } from "./evidence/standstill-watch.js";
import { answerGraceMs, Drain } from "./messages/drain.js";
import { countUnacknowledged, isWaiting } from "./messages/unacknowledged.js";
import { COUNTER } from "./metrics.js";
import { RampGuard } from "./ramp/guard.js";
import { Latencies } from "./result/latencies.js";
import { makeResult } from "./result/make-result.js";
import { measureRamp, newRunState, type RunFacts } from "./run-state.js";
import type { ConnectSettings } from "./settings.js";
import type { ConnectSnapshot } from "./snapshot.js";
import { SHARED } from "./worker-plan.js";
import { type Carriers, ClientWorkers, type WorkersEvents } from "./workers.js";

const PACE_MS = 5;
/**
 * Interval between memory checks. A ramp opens about a thousand connections in this time, so it can overshoot the
 * memory floor by that many.
 */
const RAMP_GUARD_MS = 50;
const GUARD_MS = 250;
/**
 * Time before the end of the hold at which the accept queue is sampled. Connections that wait in the queue both then
 * and at the end count as not accepted.
 */
const EARLY_SAMPLE_MS = 1000;
/** Interval at which a run with a limited number of messages checks whether all of them have been answered. */
const DONE_MS = 10;

export class RunPhases {
  phase: ConnectSnapshot["stage"] = "ramp";
  /** Time at which the hold ends, if it is known. */
  holdUntilMs: number | undefined;
  readonly workers: ClientWorkers;
  readonly latencies: Latencies;
  readonly startMs = performance.now();
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  readonly #state = newRunState();
  readonly #stopping = new AbortController();
  readonly #server: ServerSide;
  readonly #rampGuard: RampGuard;
  /** Resolves when the threads have started. */
  readonly threadsUp: Promise<void>;
  #standstills = this.#watchStandstills();
  #rampEnded!: () => void;
  #fault: AppError | undefined;

  constructor(
    settings: ConnectSettings,
    targets: Targets,
    carriers: Carriers,
    events: Pick<WorkersEvents, "opened" | "received" | "handlerFailed">,
    isHeld: boolean,
  ) {
    let areUp!: () => void;
    this.threadsUp = new Promise((resolve) => {
      areUp = resolve;
    });
    this.#settings = settings;
    this.#targets = targets;
    this.#server = new ServerSide(targets, inspectionMs(settings.connections));
    this.#rampGuard = new RampGuard(settings);
    const all: WorkersEvents = {
      ...events,
      moved: () => {
        if (this.workers.pacer.areWorkersReady) areUp();
        this.#pace();
      },
      failed: (fault) => this.#fail(fault),
    };
    this.workers = new ClientWorkers(settings, targets, carriers, all, isHeld);
    this.latencies = new Latencies(this.workers);
  }

  /**
   * Runs every phase.
   * @param rampOver called when the ramp ends for any reason
   */
  async run(rampOver: () => void): Promise<ConnectResult> {
    const timers = [setInterval(() => this.#guard(), GUARD_MS)];
    timers.push(setInterval(() => this.#standstills.tick(), TICK_MS));
    if (this.#settings.isPaced) timers.push(setInterval(() => this.#pace(), PACE_MS));
    if (this.#settings.message?.total !== undefined) timers.push(setInterval(() => this.#endIfDone(), DONE_MS));
    try {
      await this.#ramp();
      rampOver();
      await this.#hold();
      return await this.#close();
    } finally {
      for (const timer of timers) clearInterval(timer);
      await Promise.all([this.workers.end(), this.#server.end()]);
    }
  }

  /**
   * Ends the current phase and closes all connections. During the ramp, or a hold with a time limit, this interrupts
   * the run.
   */
  stop(): void {
    if (this.#wouldGoOn() && !this.#stopping.signal.aborted) this.#state.wasInterrupted = true;
    this.#stopping.abort();
  }

  /** Ends the run at once; the kernel closes the connections when the process exits. */
  abort(): void {
    this.workers.pool.abort();
    this.#stopping.abort();
  }

  /** Lets a ramp that was held back begin. */
  release(): void {
    // Standing still before the start delays nothing.
    this.#standstills = this.#watchStandstills();
    this.workers.pacer.release();
    this.#pace();
  }

  #watchStandstills(): StandstillWatch {
    return new StandstillWatch(() => ({
      cutOff: this.workers?.sum(COUNTER.cutOffHandshakes) ?? 0,
      lost: this.workers?.sum(COUNTER.lost) ?? 0,
    }));
  }

  get #facts(): RunFacts {
    return {
      settings: this.#settings,
      targets: this.#targets,
      engine: this.workers.engine,
      histograms: this.latencies.read(),
      pool: this.workers.pool,
      script: this.workers.script,
      packets: this.workers.packets,
      nofileLimit: this.workers.nofileLimit,
      destinationCounts: this.workers.destinationCounts,
    };
  }

  #wouldGoOn(): boolean {
    if (this.phase === "ramp" && !this.#areAllReady()) return true;
    if (this.phase !== "ramp" && this.phase !== "hold") return false;
    const isOver = this.holdUntilMs !== undefined && performance.now() >= this.holdUntilMs;
    const isDone = this.#isDone();
    return !isOver && (isDone === undefined ? this.#settings.durationMs !== Number.POSITIVE_INFINITY : !isDone);
  }

  /** A caller may see all connections ready and call stop() just before the ramp ends. */
  #areAllReady(): boolean {
    const { isStaged, connections } = this.#settings;
    return !isStaged && this.workers.sum(COUNTER.ready) >= connections;
  }

  async #ramp(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#rampEnded = resolve;
    });
    this.#stopping.signal.addEventListener("abort", () => this.#endRamp(), { once: true });
    const guard = setInterval(() => this.#guard(), RAMP_GUARD_MS);
    this.#state.samples.mark(this.#sample());
    // This file is read before the threads have started.
    this.#server.begin();
    this.#pace();
    await ended;
    clearInterval(guard);
    this.#state.samples.mark(this.#sample());
    this.#state.scheduleMovedMs = this.workers.pacer.movedMs;
    Object.assign(this.#state, measureRamp(this.workers.memories, this.startMs, this.#stopping.signal.aborted));
    this.#state.wasRampInterrupted = this.#stopping.signal.aborted && !this.#areAllReady();
    if (this.#fault) throw this.#fault;
  }

  async #hold(): Promise<void> {
    const settings = this.#settings;
    const startMs = performance.now();
    this.#enter("hold");
    this.workers.releaseReserve();
    this.#guard();
    if (settings.durationMs !== Number.POSITIVE_INFINITY) this.holdUntilMs = startMs + settings.durationMs;
    this.#state.held = readMemoryUse();
    const counted = this.#state.wasRampInterrupted ? undefined : countInKernel(this.#targets, this.#settings.transport);
    const shortage = findShortage(this.#targets, this.workers.memories);
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

  /** Waits until `untilMs` or until the run is stopped. Returns at once if no connection is open. */
  async #pass(untilMs: number): Promise<void> {
    const { signal } = this.#stopping;
    const leftMs = untilMs - performance.now();
    if (leftMs > 0 && this.#isAnythingOpen()) await delay(leftMs, undefined, { signal }).catch(() => undefined);
  }

  async #close(): Promise<ConnectResult> {
    const startMs = performance.now();
    const { message } = this.#settings;
    if (message) {
      this.#enter("drain");
      const { protocol } = this.#settings;
      const isScripted = protocol?.name === "scripted";
      const waits = isScripted ? protocol.alternates : protocol?.name === "http" || protocol?.name === "mqtt";
      const alternates = waits || message.intervalMs === undefined;
      const drain = new Drain(this.workers.pool, this.#state.wasInterrupted);
      await drain.awaitAnswers(message, alternates);
      const { roundTrip, delivery } = this.latencies.read();
      this.workers.share(SHARED.answerGraceMs, answerGraceMs(roundTrip));
      this.workers.share(SHARED.deliveryGraceMs, answerGraceMs(delivery));
      if (this.#settings.receivesOwn) await drain.awaitDeliveries();
    }
    await this.#lookForLostPackets();
    this.#enter("close");
    const { firstByte } = this.latencies.read();
    this.workers.share(SHARED.longestFirstByteMs, Math.ceil(firstByte.max / 1000));
    await this.workers.pool.stop();
    // Any thread that did not end by itself has been terminated by now.
    if (this.#fault) throw this.#fault;
    this.#enter("closed");
    this.#state.closeMs = performance.now() - startMs;
    this.#state.samples.mark(this.#sample());
    // Until now, the run was waiting for answers. If some answers are missing, the server may be stopped (SIGSTOP).
    const missing = this.workers.sum(COUNTER.unansweredMessages) + this.workers.sum(COUNTER.undeliveredMessages);
    if (missing > 0 && !this.#state.wasInterrupted) {
      this.#state.peer ??= await this.#server.inspect();
    }
    this.#state.standstills = this.#standstills.report({
      latencies: this.workers.sum(COUNTER.standstillLatencies),
      connects: this.workers.sum(COUNTER.standstillConnects),
      roundTrips: this.workers.sum(COUNTER.standstillRoundTrips),
    });
    return makeResult(this.#facts, this.#state);
  }

  /** Reads why open connections get no answers, before they are closed. */
  async #lookForLostPackets(): Promise<void> {
    const { memories } = this.workers;
    if (this.#state.wasInterrupted || !isWaiting(this.#settings, memories)) return;
    const found = await countUnacknowledged(this.#targets);
    this.#state.unacknowledged = found;
    if (found && found.connections + found.unsent > 0)
      this.#state.localPath ??= inspectLocalPath(this.#targets, memories);
  }

  #enter(phase: ConnectSnapshot["stage"]): void {
    this.phase = phase;
    trace("run", () => {
      const { established, failed, open } = this.#sample();
      return `${phase}: ${established} established, ${failed} failed, ${open} open`;
    });
  }

  #pace(): void {
    if (this.phase === "ramp" && !this.#stopping.signal.aborted && this.workers.pacer.pace()) this.#rampEnded();
  }

  #sample(): RunSample {
    const { workers } = this;
    return {
      elapsedMs: performance.now() - this.startMs,
      open: this.phase === "closed" ? 0 : workers.sum(COUNTER.open),
      established: workers.sum(COUNTER.established),
      failed: workers.sum(COUNTER.failed),
    };
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
    if (this.phase === "ramp") {
      this.#state.memoryFit.grown(sample.open, kernelBytes);
      if (this.#rampGuard.check(this.#state, this.workers.rampCounts(), meminfo)) this.#endRamp();
    } else if (this.phase === "hold") {
      this.#state.memoryFit.held(performance.now(), kernelBytes);
      if (!this.#isAnythingOpen()) this.#stopping.abort();
    }
  }

  #endRamp(): void {
    this.workers.endRamp();
    this.#rampEnded();
  }

  /** Whether any connection is open or will be reopened for its next message. */
  #isAnythingOpen(): boolean {
    return this.workers.sum(COUNTER.open) + this.workers.sum(COUNTER.toReopen) > 0;
  }

  /** Returns whether all messages of a limited number have been answered; undefined without a limit. */
  #isDone(): boolean | undefined {
    if (this.#settings.message?.total === undefined) return undefined;
    return this.workers.sum(COUNTER.remainingMessages) === 0;
  }

  #endIfDone(): void {
    if (this.phase === "hold" && this.#isDone()) this.#stopping.abort();
  }

  #fail(fault: AppError): void {
    this.#fault ??= fault;
    this.#rampEnded();
    this.#stopping.abort();
  }
}
