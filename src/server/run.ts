// A server's life from the main thread: one worker per core on one listening socket, more when descriptor tables fill,
// a pause at the memory floor, a result at the end.

import { EventEmitter } from "node:events";
import { readMemoryUse } from "../engine/memory-use.js";
import { readMetrics } from "../engine/metrics.js";
import { CORES, WorkerPool } from "../engine/pool.js";
import { noteEvidence, readCounters } from "../engine/run/evidence.js";
import type { RunHandle } from "../engine/run/handle.js";
import { sample } from "../engine/run/sampling.js";
import { CONTROL, sumCounter } from "../engine/worker-memory.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { closeFd } from "../linux/syscalls/socket.js";
import { canRegisterFiles } from "../linux/uring/registered-files.js";
import type { EngineReport } from "../results/engine.js";
import type { RunEvidence } from "../results/evidence.js";
import type { ServeResult } from "../results/serve.js";
import type { ServerIdentity } from "../transport/tls/identity.js";
import type { AppError } from "../util/errors.js";
import { countConnections, countDrops } from "./kernel-counts.js";
import type { Listener } from "./listener.js";
import { makeResult } from "./make-result.js";
import { type Activity, MemoryGuard } from "./memory-guard.js";
import { COUNTER, SERVER_METRICS } from "./metrics.js";
import type { ServeSettings } from "./options.js";
import type { ServeSnapshot } from "./snapshot.js";
import { type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

/** How long the kernel's count may keep a stop waiting. */
const COUNT_MS = 250;
const COUNT_MS_PER_CONNECTION = 0.003;

export interface ServeEvents {
  /** A connection was accepted: its peer's address. Told for the first 10, all or none, as asked. */
  connection: [peer: { readonly ip: string; readonly port: number }];
}

/** A server at work. */
export class ServeRun extends EventEmitter<ServeEvents> implements RunHandle<ServeResult, ServeSnapshot> {
  /** Where it listens; the port is known even if 0 was asked for. */
  readonly address: { readonly ip: string; readonly port: number };
  /** What its certificate is known by; undefined without TLS. */
  readonly certificate: Pick<ServerIdentity, "fingerprint" | "isSelfSigned"> | undefined;
  /** The accept queue's length in force. */
  readonly backlog: number;
  /** Resolves when the server has stopped; rejects with an AppError when it could not go on. */
  readonly done: Promise<ServeResult>;
  /** Resolves when every thread accepts; rejects with an AppError when one could not begin: then the server stops. */
  readonly ready: Promise<void>;
  readonly #settings: ServeSettings;
  readonly #identity: ServerIdentity | undefined;
  readonly #listener: Listener;
  readonly #engine: EngineReport;
  readonly #pool: WorkerPool<ServePlan, ServeMessage>;
  readonly #shared = new SharedArrayBuffer(SHARED.words * 4);
  readonly #startedAt = new Date();
  readonly #startMs = performance.now();
  readonly #before = readMemoryUse();
  readonly #countersBefore = readCounters();
  readonly #nofileLimit = raiseNofileLimit().soft;
  readonly #guard: MemoryGuard;
  readonly #canPark = canRegisterFiles();
  #openAtStop: number | undefined;
  #kernel: ServeResult["kernel"];
  #stopping: Promise<void> | undefined;
  #evidence: Pick<RunEvidence, "deltas" | "settings" | "gauges"> = { deltas: {}, settings: {}, gauges: {} };
  #drops: number | undefined;
  #fault: AppError | undefined;
  #hasStopped = false;
  /** Another thread could be started, as far as is known. */
  #canGrow = true;
  /** Threads that have begun to listen, by number. */
  readonly #listening = new Set<number>();
  /** Threads that are not listening yet, of those that ready waits for. */
  #starting = CORES;
  #isReady!: () => void;
  #isNotReady!: (fault: AppError) => void;

  constructor(
    settings: ServeSettings,
    listener: Listener,
    engine: EngineReport,
    identity: ServerIdentity | undefined,
    complete: (result: ServeResult) => ServeResult = (result) => result,
  ) {
    super();
    this.#settings = settings;
    this.#listener = listener;
    this.#engine = engine;
    this.#identity = identity;
    this.certificate = identity && { fingerprint: identity.fingerprint, isSelfSigned: identity.isSelfSigned };
    this.address = { ip: listener.ip, port: listener.port };
    this.backlog = listener.backlog;
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      this.#isNotReady = reject;
    });
    // Whoever does not wait for it learns of a fault from `done`.
    this.ready.catch(() => undefined);
    this.#pool = new WorkerPool({
      module: new URL("./worker.js", import.meta.url),
      metrics: SERVER_METRICS,
      kept: [listener.fd],
      onMessage: (message, worker) => this.#onMessage(message, worker),
      onFault: (fault, worker) => this.#hearFault(fault, worker),
    });
    const fault = this.#startWorkers();
    this.#guard = new MemoryGuard(
      () => this.#activity(),
      (isPaused) => this.#pool.setAll(CONTROL.paused, isPaused ? 1 : 0),
    );
    this.done = this.#life().then(complete);
    if (fault) this.#fail(fault);
  }

  /** Closes every connection and resolves with the result. Asked once or often, it is the same. */
  stop(): Promise<ServeResult> {
    this.#openAtStop ??= this.#sum(COUNTER.open);
    if (!this.#fault) this.#isReady();
    this.#stopping ??= this.#countAndStop();
    return this.done;
  }

  /** Ends at once: the closing is left to the kernel, when the process ends. */
  abort(): void {
    this.#pool.abort();
  }

  snapshot(): ServeSnapshot {
    const metrics = readMetrics(SERVER_METRICS, this.#pool.memories);
    return {
      ...metrics,
      open: this.#hasStopped ? 0 : metrics.open,
      elapsedMs: performance.now() - this.#startMs,
      peakOpen: this.#sharedWords[SHARED.peak]!,
      threads: this.#pool.size,
      isPaused: this.#guard.isPaused,
    };
  }

  /** Snapshots at even intervals until the server stops. */
  snapshots(intervalMs = 1000): AsyncGenerator<ServeSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ServeSnapshot> {
    return this.snapshots();
  }

  async #countAndStop(): Promise<void> {
    // Counting costs the kernel some 1.5 µs a socket and closing it several times that, so this is a small part of it.
    const timeoutMs = COUNT_MS + COUNT_MS_PER_CONNECTION * (this.#openAtStop ?? 0);
    this.#evidence = noteEvidence(this.#countersBefore);
    this.#drops = await countDrops(this.address);
    if (!this.#fault) this.#kernel = await countConnections(this.address, timeoutMs);
    await this.#pool.stop().catch(() => undefined);
  }

  /** A further thread that could not begin has taken nothing with it; any other has lost its connections. */
  #hearFault(fault: AppError, worker: number): void {
    if (worker >= CORES && !this.#listening.has(worker)) this.#canGrow = false;
    else this.#fail(fault);
  }

  /** Where no further thread is to be had, those that there are go on. */
  #startAnother(): void {
    try {
      this.#startWorker();
    } catch {
      this.#canGrow = false;
    }
  }

  /** One for each core. @returns why not, if one could not be started */
  #startWorkers(): AppError | undefined {
    try {
      for (let core = 0; core < CORES; core++) this.#startWorker();
      return undefined;
    } catch (error) {
      return error as AppError;
    }
  }

  #fail(fault: AppError): void {
    this.#fault ??= fault;
    this.#isNotReady(fault);
    this.stop().catch(() => undefined);
  }

  async #life(): Promise<ServeResult> {
    await this.#pool.ended();
    // Threads may have been started since, and the evidence is noted before they end.
    await this.#stopping;
    this.#hasStopped = true;
    this.#guard.close();
    closeFd(this.#listener.fd);
    if (this.#fault) throw this.#fault;
    return makeResult(this.#pool, this.#guard, {
      startedAt: this.#startedAt.toISOString(),
      address: this.address,
      protocol: this.#settings.protocol?.name ?? "tcp",
      elapsedMs: performance.now() - this.#startMs,
      peakOpen: this.#sharedWords[SHARED.peak]!,
      openAtStop: this.#openAtStop ?? 0,
      kernel: this.#kernel,
      backlogLength: this.backlog,
      drops: this.#drops,
      residentBefore: this.#before.residentBytes,
      isSecure: this.#identity !== undefined,
      nofileLimit: this.#nofileLimit,
      engine: this.#engine,
      evidence: this.#evidence,
    });
  }

  #onMessage(message: ServeMessage, worker: number): void {
    if (message.type === "listening") {
      this.#listening.add(worker);
      this.#starting--;
      if (this.#starting === 0) this.#isReady();
    } else if (message.type === "accepted") {
      for (const peer of message.peers) this.emit("connection", peer);
      Atomics.add(this.#sharedWords, SHARED.reported, message.peers.length);
    } else {
      // As many threads as cores are to have half a table free, so that the next is up before it is needed. Where
      // connections can be parked no thread is ever full; where threads share one table, more do not help.
      const isFuller = this.#canGrow && !this.#canPark && this.#pool.hasPrivateTables;
      if (isFuller && this.#openAtStop === undefined) this.#startAnother();
    }
  }

  #startWorker(): void {
    const { mode, greeting, closeAfterGreeting, protocol, handshakeTimeoutMs, maxConnections, logged } = this.#settings;
    this.#pool.start({
      listener: this.#listener.fd,
      engine: this.#engine.name,
      mode,
      greeting,
      closeAfterGreeting,
      protocol,
      handshakeTimeoutMs,
      tls: this.#identity?.settings,
      maxConnections,
      backlog: this.#listener.backlog,
      logged,
      tableSize: this.#nofileLimit,
      shared: this.#shared,
    });
  }

  #activity(): Activity {
    return {
      sum: this.#sum(COUNTER.accepted) + this.#sum(COUNTER.sentBytes) + this.#sum(COUNTER.receivedBytes),
      open: this.#sum(COUNTER.open),
      peak: this.#sharedWords[SHARED.peak]!,
    };
  }

  get #sharedWords(): Int32Array {
    return new Int32Array(this.#shared);
  }

  #sum(counter: number): number {
    return sumCounter(this.#pool.memories, counter);
  }
}
