// The handle that serve() returns. The server pauses its workers at the memory floor, and builds the result at the
// end.

import { EventEmitter } from "node:events";
import { readMemoryUse } from "../engine/memory-use.js";
import { readMetrics } from "../engine/metrics.js";
import { noteEvidence, readCounters } from "../engine/run/evidence.js";
import type { RunHandle } from "../engine/run/handle.js";
import { type RunMeasurements, readMeasurements } from "../engine/run/measurements.js";
import { sample } from "../engine/run/sampling.js";
import { CONTROL } from "../engine/worker-memory.js";
import { closeListener } from "../linux/syscalls/socket.js";
import type { EngineReport } from "../results/engine.js";
import type { RunEvidence } from "../results/evidence.js";
import type { ServeResult } from "../results/serve.js";
import type { ServerIdentity } from "../transport/tls/identity.js";
import type { AppError } from "../util/errors.js";
import { countConnections, countDrops } from "./kernel-counts.js";
import type { Listener } from "./listening/listener.js";
import { makeResult } from "./make-result.js";
import { type Activity, MemoryGuard } from "./memory-guard.js";
import { COUNTER, SERVER_METRICS } from "./metrics.js";
import type { ServeSettings } from "./options.js";
import type { ServeSnapshot } from "./snapshot.js";
import { ServerWorkers } from "./workers.js";

/** Maximum time for which stop() waits for the kernel's count. */
const COUNT_MS = 250;
const COUNT_MS_PER_CONNECTION = 0.003;

export interface ServeEvents {
  /**
   * Emitted when a connection was accepted from this address. This happens for the first 10, all or no connections,
   * depending on `log`.
   */
  connection: [peer: { readonly ip: string; readonly port: number }];
  /**
   * Emitted when a handler of a user-defined protocol throws for the first time.
   * @param text the error with its stack
   */
  handlerFailed: [text: string];
}

/** A running server. */
export class ServeRun extends EventEmitter<ServeEvents> implements RunHandle<ServeResult, ServeSnapshot> {
  /** Address of the listening socket. If port 0 was requested, this address contains the actual port. */
  readonly address: { readonly ip: string; readonly lastIp?: string | undefined; readonly port: number };
  /** Identifies the server's certificate; undefined without TLS. */
  readonly certificate: Pick<ServerIdentity, "fingerprint" | "isSelfSigned"> | undefined;
  /** Actual accept queue length. */
  readonly backlog: number;
  /** Resolves when the server has stopped; rejects with an AppError if it could not continue. */
  readonly done: Promise<ServeResult>;
  /**
   * Resolves once every thread is ready to accept connections; rejects with an AppError, and stops the server, if a
   * thread fails to start.
   */
  readonly ready: Promise<void>;
  readonly #settings: ServeSettings;
  readonly #identity: ServerIdentity | undefined;
  readonly #listener: Listener;
  readonly #workers: ServerWorkers;
  readonly #startedAt = new Date();
  readonly #startMs = performance.now();
  readonly #before = readMemoryUse();
  readonly #countersBefore = readCounters();
  readonly #guard: MemoryGuard;
  #openAtStop: number | undefined;
  #kernel: ServeResult["kernel"];
  #stopping: Promise<void> | undefined;
  #evidence: Pick<RunEvidence, "deltas" | "settings" | "gauges"> = { deltas: {}, settings: {}, gauges: {} };
  #drops: number | undefined;
  #fault: AppError | undefined;
  #hasStopped = false;
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
    this.#identity = identity;
    this.certificate = identity && { fingerprint: identity.fingerprint, isSelfSigned: identity.isSelfSigned };
    this.address = { ip: listener.ip, lastIp: listener.lastIp, port: listener.port };
    this.backlog = listener.backlog;
    this.ready = new Promise((resolve, reject) => {
      this.#isReady = resolve;
      this.#isNotReady = reject;
    });
    // Callers that ignore `ready` learn of the failure from `done`.
    this.ready.catch(() => undefined);
    this.#workers = new ServerWorkers(settings, listener, engine, identity, {
      ready: () => this.#isReady(),
      accepted: (peer) => this.emit("connection", peer),
      handlerFailed: (text) => this.emit("handlerFailed", text),
      failed: (fault) => this.#fail(fault),
    });
    const fault = this.#workers.start();
    this.#guard = new MemoryGuard(
      () => this.#activity(),
      (isPaused) => this.#workers.pool.setAll(CONTROL.paused, isPaused ? 1 : 0),
    );
    this.done = this.#life().then(complete);
    if (fault) this.#fail(fault);
  }

  /** Closes all connections and resolves with the result. Repeated calls have no further effect. */
  stop(): Promise<ServeResult> {
    this.#openAtStop ??= this.#workers.sum(COUNTER.open);
    this.#workers.startNoMore();
    if (!this.#fault) this.#isReady();
    this.#stopping ??= this.#countAndStop();
    return this.done;
  }

  /** Ends the run at once; the kernel closes the connections when the process exits. */
  abort(): void {
    this.#workers.pool.abort();
  }

  snapshot(): ServeSnapshot {
    const metrics = readMetrics(SERVER_METRICS, this.#workers.pool.memories);
    return {
      ...metrics,
      open: this.#hasStopped ? 0 : metrics.open,
      elapsedMs: performance.now() - this.#startMs,
      peakOpen: this.#workers.peakOpen,
      threads: this.#workers.pool.size,
      isPaused: this.#guard.isPaused || this.#workers.isOutOfWatches,
    };
  }

  /**
   * Returns what a run has counted so far beyond its snapshot. The method is static, so that it is not part of the
   * library's handle.
   */
  static measure(run: ServeRun): RunMeasurements {
    return readMeasurements(SERVER_METRICS, run.#workers.pool.memories, run.#workers.script);
  }

  /** Yields snapshots at regular intervals until the server stops. */
  snapshots(intervalMs = 1000): AsyncGenerator<ServeSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ServeSnapshot> {
    return this.snapshots();
  }

  async #countAndStop(): Promise<void> {
    // Counting takes about 1.5 µs per socket in the kernel and closing takes several times that, so the count adds
    // little.
    const timeoutMs = COUNT_MS + COUNT_MS_PER_CONNECTION * (this.#openAtStop ?? 0);
    this.#evidence = noteEvidence(this.#countersBefore);
    const hasSockets = this.#settings.transport === "kernel";
    if (hasSockets) this.#drops = await countDrops(this.address);
    if (hasSockets && !this.#fault) this.#kernel = await countConnections(this.address, timeoutMs);
    await this.#workers.pool.stop().catch(() => undefined);
  }

  #fail(fault: AppError): void {
    this.#fault ??= fault;
    this.#isNotReady(fault);
    this.stop().catch(() => undefined);
  }

  async #life(): Promise<ServeResult> {
    await this.#workers.pool.ended();
    // Wait for stop(), which may have been called after the last thread ended, because it records evidence before
    // the threads end.
    await this.#stopping;
    this.#hasStopped = true;
    this.#workers.end();
    this.#guard.close();
    closeListener(this.#listener.fd);
    if (this.#fault) throw this.#fault;
    return makeResult(this.#workers.pool, this.#guard, {
      startedAt: this.#startedAt.toISOString(),
      address: this.address,
      protocol: this.#settings.protocol?.name ?? "tcp",
      script: this.#workers.script?.report(this.#workers.pool.memories),
      elapsedMs: performance.now() - this.#startMs,
      peakOpen: this.#workers.peakOpen,
      openAtStop: this.#openAtStop ?? 0,
      kernel: this.#kernel,
      backlogLength: this.backlog,
      drops: this.#drops,
      residentBefore: this.#before.residentBytes,
      isSecure: this.#identity !== undefined,
      isProxied: this.#settings.proxyProtocol,
      nofileLimit: this.#workers.nofileLimit,
      transport: this.#settings.transport,
      packets: this.#workers.packets,
      engine: this.#workers.engine,
      evidence: { ...this.#evidence, watchStop: this.#workers.watchStop },
    });
  }

  #activity(): Activity {
    return {
      sum:
        this.#workers.sum(COUNTER.accepted) +
        this.#workers.sum(COUNTER.sentBytes) +
        this.#workers.sum(COUNTER.receivedBytes),
      open: this.#workers.sum(COUNTER.open),
      peak: this.#workers.peakOpen,
    };
  }
}
