// A client's run from the main thread: starts shards as they are needed, paces them, watches memory and losses, and
// ends with a result. The connections themselves are the shards' business.

import { EventEmitter } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { isBelowFloor, readMemoryRoom } from "../engine/memory-stop.js";
import { readMemoryUse } from "../engine/memory-use.js";
import { readMetrics } from "../engine/metrics.js";
import { isBelowReserve, readFileRoom } from "../engine/open-files-stop.js";
import { CORES, ShardPool } from "../engine/pool.js";
import { noteEvidence } from "../engine/run/evidence.js";
import type { RunHandle } from "../engine/run/handle.js";
import { sample } from "../engine/run/sampling.js";
import { DescriptorReserve } from "../engine/threads/descriptor-reserve.js";
import { CONTROL, PHASE, sumCounter, TARGET_AS_IT_IS } from "../engine/worker-memory.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { ETIMEDOUT } from "../linux/syscalls/errno.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import type { RunSpec } from "../planning/run-spec.js";
import type { Targets } from "../planning/targets.js";
import { TuplePlanner } from "../planning/tuple-plan.js";
import type { ConnectResult, DestinationReport, ResolvedName, RunSample } from "../results/connect.js";
import type { AppError } from "../util/errors.js";
import { AcceptWatch } from "./evidence/accept-watch.js";
import { countDestinations } from "./evidence/by-destination.js";
import { allocateTally } from "./evidence/destination-counts.js";
import { inspectLocalPath } from "./evidence/local-path.js";
import { countInKernel, inspectServer, readServerQueues } from "./evidence/server-end.js";
import { findShortage } from "./evidence/shortage.js";
import { makeResult, summarizeLatencies } from "./make-result.js";
import { answerPatienceMs, drainMessages } from "./messages/drain.js";
import { CLIENT_METRICS } from "./metrics.js";
import { GiveUp } from "./ramp/give-up.js";
import { Pacer } from "./ramp/pacer.js";
import { type RampShape, shapeRamp, shareOf } from "./ramp/thread-layout.js";
import {
  type ConnectHistograms,
  measureRamp,
  newRecord,
  type RunFacts,
  type RunRecord,
  readHistograms,
} from "./run-state.js";
import { type ConnectSettings, settingsOf } from "./settings.js";
import { ACKNOWLEDGED_EVERY } from "./single/flow-control.js";
import type { ConnectSnapshot } from "./snapshot.js";
import { COUNTER, type ConnectMessage, type ConnectPlan, type MessagePlan, SHARED } from "./worker-plan.js";

const WORKER = new URL("./worker.js", import.meta.url);
const SINGLE_WORKER = new URL("./single/worker.js", import.meta.url);
const PACE_MS = 5;
/** A ramp adds a thousand connections in this time: so far it may go below the memory floor. */
const RAMP_GUARD_MS = 50;
const GUARD_MS = 250;
/** Before the end of a hold: what waits in the server's accept queue then, and at the end, will not be accepted. */
const LOOK_AHEAD_MS = 1000;

/** What bounds a thread's connections: nothing, since they can be parked; a table of its own; one table for all. */
export type TablesAllowed = "unbounded" | "private" | "one";

export interface ConnectEvents {
  /** A connection is ESTABLISHED (told for a single connection only). */
  opened: [local: { readonly ip: string; readonly port: number }];
  /** Text was read (told for a single connection only). */
  received: [text: string];
}

/** A client at work. */
export class ConnectRun extends EventEmitter<ConnectEvents> implements RunHandle<ConnectResult, ConnectSnapshot> {
  /** Resolves when the ramp is over, however it ended; rejects with an AppError when the run could not go on. */
  readonly ready: Promise<void>;
  /** Resolves when everything is closed; rejects with an AppError when the run could not go on. */
  readonly done: Promise<ConnectResult>;
  /** What it does: plain data, with every default filled in. */
  readonly spec: RunSpec;
  /** The host names among the destinations. */
  readonly names: readonly ResolvedName[];
  /** 4-tuples that it has: connections that can be open at once. */
  readonly tuplesAvailable: number;
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  readonly #nofileLimit = raiseNofileLimit().soft;
  /** What had been timed when the latencies began anew. */
  #timedBefore: ConnectHistograms | undefined;
  /** What came of each destination; undefined for a single one. */
  readonly #tally: SharedArrayBuffer | undefined;
  readonly #pool: ShardPool<ConnectPlan, ConnectMessage>;
  readonly #shape: RampShape;
  readonly #shared = new SharedArrayBuffer(SHARED.words * 4);
  readonly #startMs = performance.now();
  readonly #record = newRecord();
  readonly #pacer: Pacer;
  readonly #stopping = new AbortController();
  readonly #parks: boolean;
  readonly #accepts: AcceptWatch;
  readonly #giveUp: GiveUp;
  #queuesBefore: ReturnType<typeof readServerQueues> | undefined;
  #server: Promise<RunRecord["peer"]> | undefined;
  #reserve: DescriptorReserve | undefined;
  #stage: ConnectSnapshot["stage"] = "ramp";
  #rampEnded!: () => void;
  #fault: AppError | undefined;
  #holdUntilMs: number | undefined;
  #heard = 0;

  constructor(
    spec: RunSpec,
    targets: Targets,
    tables: TablesAllowed,
    complete: (result: ConnectResult) => ConnectResult = (result) => result,
  ) {
    super();
    const settings = settingsOf(spec);
    this.spec = spec;
    this.#settings = settings;
    this.#targets = targets;
    this.names = targets.names;
    this.tuplesAvailable = new TuplePlanner(targets.plan).count;
    this.#tally = allocateTally(targets.plan);
    this.#accepts = new AcceptWatch(targets);
    this.#giveUp = new GiveUp(settings);
    this.#parks = tables === "unbounded";
    // Whoever waits for greetings knows that they come: a connection is in flight until its own.
    if (settings.closesGreeted) new Int32Array(this.#shared)[SHARED.peerGreets] = 1;
    if (tables === "one") this.#reserve = new DescriptorReserve();
    // More threads are of use where each brings a table, and where its size is what bounds it.
    const tableSize = tables === "private" ? this.#nofileLimit : Number.POSITIVE_INFINITY;
    this.#shape = shapeRamp(settings.connections, tableSize, countOpenDescriptors(), CORES);
    this.#pool = new ShardPool({
      module: settings.isSingle ? SINGLE_WORKER : WORKER,
      metrics: CLIENT_METRICS,
      sharesTable: tables === "one",
      onMessage: (message, shard) => this.#hear(message, shard),
      onFault: (fault) => this.#fail(fault),
    });
    this.#pacer = new Pacer(this.#pool, settings, this.#shape, (shard, target) => this.#startShard(shard, target));
    let isReady!: () => void;
    const rampOver = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    this.done = this.#run(isReady).then(complete);
    this.ready = Promise.race([rampOver, this.done.then(() => undefined)]);
    // Who does not ask for it need not hear of it.
    this.ready.catch(() => undefined);
  }

  /**
   * Closes every connection and resolves with the result. Asked once or often, it is the same. In the ramp, or in a hold that
   * has an end, it interrupts the run; a hold without an end is over.
   */
  stop(): Promise<ConnectResult> {
    if (this.#wouldGoOn() && !this.#stopping.signal.aborted) this.#record.wasInterrupted = true;
    this.#stopping.abort();
    return this.done;
  }

  /** Ends at once: the closing is left to the kernel, when the process ends. */
  abort(): void {
    this.#pool.abort();
    this.#stopping.abort();
  }

  snapshot(): ConnectSnapshot {
    const now = performance.now();
    const metrics = readMetrics(CLIENT_METRICS, this.#pool.memories);
    return {
      ...metrics,
      open: this.#stage === "closed" ? 0 : metrics.open,
      elapsedMs: now - this.#startMs,
      stage: this.#stage,
      asked: this.#settings.connections,
      wanted: this.#pacer.wantedAt(now),
      leftMs: this.#holdUntilMs === undefined ? undefined : Math.max(0, this.#holdUntilMs - now),
    };
  }

  /** What came of each destination so far; undefined where there is one, or very many. */
  byDestination(): readonly DestinationReport[] | undefined {
    return countDestinations(this.#facts);
  }

  /** Latencies so far. */
  latency(): ConnectResult["latency"] {
    return summarizeLatencies(this.#histograms);
  }

  /** Begins the latencies anew, as after a warm-up: the result has what is measured from now on. */
  resetLatency(): void {
    this.#timedBefore = readHistograms(this.#pool.memories);
  }

  /** Snapshots at even intervals until the run ends. */
  snapshots(intervalMs = 1000): AsyncGenerator<ConnectSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ConnectSnapshot> {
    return this.snapshots();
  }

  get #histograms(): ConnectHistograms {
    return readHistograms(this.#pool.memories, this.#timedBefore);
  }

  get #facts(): RunFacts {
    return {
      settings: this.#settings,
      targets: this.#targets,
      histograms: this.#histograms,
      pool: this.#pool,
      nofileLimit: this.#nofileLimit,
      tally: this.#tally,
    };
  }

  #wouldGoOn(): boolean {
    if (this.#stage === "ramp" && !this.#areAllEstablished()) return true;
    if (this.#stage !== "ramp" && this.#stage !== "hold") return false;
    const isOver = this.#holdUntilMs !== undefined && performance.now() >= this.#holdUntilMs;
    return !isOver && this.#settings.durationMs !== Number.POSITIVE_INFINITY;
  }

  /** Whoever sees it may stop a moment before the ramp has ended. */
  #areAllEstablished(): boolean {
    const { isStaged, connections } = this.#settings;
    return !isStaged && this.#sum(COUNTER.established) >= connections;
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
      await this.#pool.stop();
      this.#reserve?.release();
    }
  }

  async #ramp(): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#rampEnded = resolve;
    });
    this.#stopping.signal.addEventListener("abort", () => this.#endRamp(), { once: true });
    const guard = setInterval(() => this.#guard(), RAMP_GUARD_MS);
    this.#record.samples.mark(this.#sample());
    // Threads take longer to start than this takes to read.
    this.#queuesBefore = readServerQueues(this.#targets);
    this.#pace();
    await ended;
    clearInterval(guard);
    this.#record.samples.mark(this.#sample());
    this.#record.scheduleMovedMs = this.#pacer.movedMs;
    Object.assign(this.#record, measureRamp(this.#pool.memories, this.#startMs, this.#stopping.signal.aborted));
    this.#record.wasCutShort = this.#stopping.signal.aborted && !this.#areAllEstablished();
    if (this.#fault) throw this.#fault;
  }

  async #hold(): Promise<void> {
    const settings = this.#settings;
    const startMs = performance.now();
    this.#stage = "hold";
    this.#reserve?.release();
    this.#guard();
    if (settings.durationMs !== Number.POSITIVE_INFINITY) this.#holdUntilMs = startMs + settings.durationMs;
    this.#record.held = readMemoryUse();
    const counted = this.#record.wasCutShort ? undefined : countInKernel(this.#targets);
    const shortage = findShortage(this.#targets, this.#pool.memories);
    // setTimeout() takes 31 bits: a longer hold is as good as for ever.
    const endMs = startMs + Math.min(settings.durationMs, 2 ** 31 - 1);
    await this.#pass(endMs - LOOK_AHEAD_MS);
    if (!settings.isSingle && !this.#stopping.signal.aborted) await this.#lookAtServer();
    await this.#pass(endMs);
    this.#record.holdMs = performance.now() - startMs;
    this.#record.samples.mark(this.#sample());
    this.#record.kernel = await counted;
    this.#record.shortage = await shortage;
    await this.#noteEvidence();
    if (this.#fault) throw this.#fault;
  }

  /** Waits until a moment of the hold, or until the run is to end. */
  async #pass(untilMs: number): Promise<void> {
    const { signal } = this.#stopping;
    const leftMs = untilMs - performance.now();
    if (leftMs > 0 && this.#isAnythingOpen()) await delay(leftMs, undefined, { signal }).catch(() => undefined);
  }

  /** A while before the end: whose the server is takes a while to find out where there are many processes. */
  async #lookAtServer(): Promise<void> {
    if (await this.#accepts.look()) this.#server = this.#inspectServer();
  }

  async #inspectServer(): Promise<RunRecord["peer"]> {
    return inspectServer(this.#targets, await this.#queuesBefore).catch(() => undefined);
  }

  /** Before anything is closed: afterwards the queues are empty and the descriptors free. */
  async #noteEvidence(): Promise<void> {
    this.#record.evidence = noteEvidence(this.#record.countersBefore);
    // A single connection that its server has closed has done what was asked.
    const missed = this.#sum(COUNTER.failed) + (this.#settings.isSingle ? 0 : this.#sum(COUNTER.lost));
    const lacksEnds = (this.#record.kernel?.incoming ?? 0) < (this.#record.kernel?.outgoing ?? 0);
    // Whoever interrupts a run does not wait for what the server may come to.
    const isPatient = !this.#settings.isSingle && !this.#record.wasInterrupted;
    if (isPatient) this.#record.accepting = await this.#accepts.settle(lacksEnds);
    // What the peer has closed meanwhile is no longer there, and what waited for its accept queue may have come.
    if (this.#record.kernel && (this.#sum(COUNTER.lost) > 0 || (this.#targets.isLocal && lacksEnds))) {
      this.#record.kernel = await countInKernel(this.#targets);
    }
    if (this.#sum(COUNTER.failed) > 0) this.#record.localPath = inspectLocalPath(this.#targets, this.#pool.memories);
    const { count: greeted } = this.#histograms.firstByte;
    const isGreeter = greeted > 0 || this.#settings.closesGreeted;
    const hasUngreeted = isGreeter && greeted < this.#sum(COUNTER.established);
    if (missed > 0 || lacksEnds) this.#record.peer = await this.#inspectServer();
    else if (this.#record.accepting || (isPatient && hasUngreeted)) {
      this.#record.peer = await (this.#server ?? this.#inspectServer());
    }
  }

  async #close(): Promise<ConnectResult> {
    const startMs = performance.now();
    if (this.#settings.message) await this.#drain(this.#settings.message);
    this.#stage = "close";
    const { firstByte } = this.#histograms;
    Atomics.store(new Int32Array(this.#shared), SHARED.longestFirstByteMs, Math.ceil(firstByte.max / 1000));
    await this.#pool.stop();
    this.#stage = "closed";
    this.#record.closeMs = performance.now() - startMs;
    this.#record.samples.mark(this.#sample());
    // The answers were waited for until now: a server that owes some may be stopped.
    if (this.#sum(COUNTER.unansweredMessages) > 0 && !this.#record.wasInterrupted) {
      this.#record.peer ??= await this.#inspectServer();
    }
    return makeResult(this.#facts, this.#record);
  }

  async #drain(message: MessagePlan): Promise<void> {
    this.#stage = "drain";
    await drainMessages(this.#pool, message, this.#record.wasInterrupted);
    Atomics.store(new Int32Array(this.#shared), SHARED.answerPatienceMs, answerPatienceMs(this.#histograms.roundTrip));
  }

  #pace(): void {
    if (this.#stage === "ramp" && !this.#stopping.signal.aborted && this.#pacer.pace()) this.#rampEnded();
  }

  #startShard(shard: number, target: number): void {
    // The pacer may ask for others before it hears of a fault.
    if (this.#fault) return;
    try {
      this.#start(shard, target);
    } catch (error) {
      this.#fail(error as AppError);
    }
  }

  #start(shard: number, target: number): void {
    const settings = this.#settings;
    this.#pool.start(
      {
        tuples: this.#targets.plan,
        share: shareOf(this.#shape, shard),
        reusesTuples: settings.isStaged || settings.closesGreeted,
        window: Math.max(1, Math.floor(settings.concurrency / this.#shape.active)),
        connectTimeoutMs: settings.connectTimeoutMs,
        tableSize: this.#nofileLimit,
        parks: this.#parks,
        reset: settings.reset,
        closesGreeted: settings.closesGreeted,
        proxyProtocol: settings.proxyProtocol,
        tries: this.#targets.tries,
        tally: this.#tally,
        message: settings.message,
        shared: this.#shared,
      },
      target,
    );
  }

  #hear(message: ConnectMessage, shard: number): void {
    if (message.type === "opened") this.emit("opened", { ip: message.ip, port: message.port });
    else if (message.type === "received") {
      this.emit("received", message.text);
      this.#heard++;
      if (this.#heard % ACKNOWLEDGED_EVERY === 0) this.#pool.set(shard, CONTROL.heard, this.#heard);
    } else {
      if (message.type === "ready") this.#pacer.ready();
      else this.#pacer.settled(shard);
      this.#pace();
    }
  }

  #sample(): RunSample {
    const { elapsedMs, open, established, failed } = this.snapshot();
    return { elapsedMs, open, established, failed };
  }

  /** Notes the run's course, stops a ramp at the memory floor or that leads nowhere, ends a run that has lost everything. */
  #guard(): void {
    const sample = this.#sample();
    this.#record.peakOpen = Math.max(this.#record.peakOpen, sample.open);
    this.#record.samples.add(sample);
    const { kernelBytes } = readMemoryUse();
    if (this.#stage === "ramp") this.#record.memoryFit.grown(sample.open, kernelBytes);
    else if (this.#stage === "hold") this.#record.memoryFit.held(performance.now(), kernelBytes);
    if (this.#stage === "ramp") {
      const room = readMemoryRoom();
      const files = readFileRoom();
      if (isBelowFloor(room)) this.#record.memoryStop = room;
      else if (files && isBelowReserve(files)) this.#record.fileStop = files;
      else this.#record.gaveUp = this.#giveUp.look(performance.now(), { ...sample, timedOut: this.#timedOut() });
      if (this.#record.memoryStop ?? this.#record.fileStop ?? this.#record.gaveUp) this.#endRamp();
    } else if (this.#stage === "hold" && !this.#isAnythingOpen()) {
      this.#stopping.abort();
    }
  }

  /** No more are begun. */
  #endRamp(): void {
    // Not a number of connections: the threads would close what they open until they see it.
    this.#pool.setAll(CONTROL.target, TARGET_AS_IT_IS);
    this.#rampEnded();
  }

  #timedOut(): number {
    return this.#pool.memories.reduce((sum, memory) => sum + memory.failures(PHASE.connect, ETIMEDOUT), 0);
  }

  #isAnythingOpen(): boolean {
    return this.#sum(COUNTER.open) > 0;
  }

  #fail(fault: AppError): void {
    this.#fault ??= fault;
    this.#rampEnded();
    this.#stopping.abort();
  }

  #sum(counter: number): number {
    return sumCounter(this.#pool.memories, counter);
  }
}
