// A run's workers as one: started as the ramp needs them, paced, counted, stopped. What bounds their connections is decided here.

import { CORES, WorkerPool } from "../engine/pool.js";
import { DescriptorReserve } from "../engine/threads/descriptor-reserve.js";
import { CONTROL, sumCounter, TARGET_AS_IT_IS, type WorkerMemory } from "../engine/worker-memory.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { ETIMEDOUT } from "../linux/syscalls/errno.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import type { Targets } from "../planning/targets.js";
import type { EngineName, EngineReport } from "../results/engine.js";
import type { AppError } from "../util/errors.js";
import { STEP } from "../util/steps.js";
import { allocateCounts } from "./evidence/destination-counts.js";
import { CLIENT_METRICS } from "./metrics.js";
import { Pacer } from "./ramp/pacer.js";
import { layOutThreads, shareOf, type ThreadLayout } from "./ramp/thread-layout.js";
import { planTls, type TlsPlan } from "./securing.js";
import type { ConnectSettings } from "./settings.js";
import { ACKNOWLEDGED_EVERY } from "./single/flow-control.js";
import { type ConnectMessage, type ConnectPlan, SHARED } from "./worker-plan.js";

const WORKER = new URL("./worker.js", import.meta.url);
const HANDSHAKES = [STEP.connect, STEP.tls, STEP.upgrade];
const SINGLE_WORKER = new URL("./single/worker.js", import.meta.url);

/** What bounds a worker's connections: nothing, since they can be parked; a table of its own; one table for all. */
export type TablesAllowed = "unbounded" | "private" | "one";

/** What carries a run's connections. */
export interface Carriers {
  readonly engine: EngineReport;
  readonly tables: TablesAllowed;
}

export interface WorkersEvents {
  /** A connection is ESTABLISHED (told for a single connection only). */
  opened(local: { readonly ip: string; readonly port: number }): void;
  /** Text was read (told for a single connection only). */
  received(text: string): void;
  /** Everything requested so far has settled, or a worker has come up: it may be time for more. */
  moved(): void;
  /** A worker could not be started, or died with its connections. */
  failed(fault: AppError): void;
}

export class ClientWorkers {
  readonly nofileLimit = raiseNofileLimit().soft;
  /** DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
  readonly pool: WorkerPool<ConnectPlan, ConnectMessage>;
  readonly pacer: Pacer;
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  readonly #engine: EngineName;
  readonly #events: WorkersEvents;
  readonly #layout: ThreadLayout;
  readonly #parks: boolean;
  readonly #shared = new SharedArrayBuffer(SHARED.words * 4);
  #reserve: DescriptorReserve | undefined;
  readonly #tls: TlsPlan | undefined;
  #hasFailed = false;
  #receivedTexts = 0;

  constructor(settings: ConnectSettings, targets: Targets, { engine, tables }: Carriers, events: WorkersEvents) {
    this.#settings = settings;
    this.#targets = targets;
    this.#engine = engine.name;
    this.#events = events;
    this.destinationCounts = allocateCounts(targets.plan);
    this.#tls = settings.tls && planTls(settings.tls, targets);
    this.#parks = tables === "unbounded";
    // Whoever waits for greetings knows that they come: a connection is in flight until its own.
    if (settings.closesGreeted) this.share(SHARED.peerGreets, 1);
    if (tables === "one") this.#reserve = new DescriptorReserve();
    // More threads are of use where each brings a table, and where its size is what bounds it.
    const tableSize = tables === "private" ? this.nofileLimit : Number.POSITIVE_INFINITY;
    this.#layout = layOutThreads(settings.connections, tableSize, countOpenDescriptors(), CORES);
    this.pool = new WorkerPool({
      module: settings.isSingle ? SINGLE_WORKER : WORKER,
      metrics: CLIENT_METRICS,
      sharesTable: tables === "one",
      onMessage: (message, worker) => this.#onMessage(message, worker),
      onFault: (fault) => this.#fail(fault),
    });
    this.pacer = new Pacer(this.pool, settings, this.#layout, (worker, target) => this.#start(worker, target));
  }

  get memories(): WorkerMemory[] {
    return this.pool.memories;
  }

  sum(counter: number): number {
    return sumCounter(this.memories, counter);
  }

  /** Handshakes, of TCP or of the protocol, that nobody answered in time. */
  timedOut(): number {
    return HANDSHAKES.reduce((sum, step) => sum + this.#failures(step, ETIMEDOUT), 0);
  }

  /** Tells all workers something by a word of the memory that they share. */
  share(word: number, value: number): void {
    Atomics.store(new Int32Array(this.#shared), word, value);
  }

  /** No further connections are begun. */
  endRamp(): void {
    // Not a number of connections: the threads would close what they open until they see it.
    this.pool.setAll(CONTROL.target, TARGET_AS_IT_IS);
  }

  /** Gives back the descriptors kept for the main thread: it reads the kernel's tables from now on. */
  releaseReserve(): void {
    this.#reserve?.release();
  }

  #failures(step: number, errno: number): number {
    return this.memories.reduce((sum, memory) => sum + memory.failures(step, errno), 0);
  }

  #start(worker: number, target: number): void {
    // The pacer may want others before it hears of a fault.
    if (this.#hasFailed) return;
    const settings = this.#settings;
    const plan: ConnectPlan = {
      tuples: this.#targets.plan,
      engine: this.#engine,
      share: shareOf(this.#layout, worker),
      reusesTuples: settings.isStaged || settings.closesGreeted,
      window: Math.max(1, Math.floor(settings.concurrency / this.#layout.active)),
      connectTimeoutMs: settings.connectTimeoutMs,
      handshakeTimeoutMs: settings.handshakeTimeoutMs,
      tableSize: this.nofileLimit,
      parks: this.#parks,
      reset: settings.reset,
      closesGreeted: settings.closesGreeted,
      proxyProtocol: settings.proxyProtocol,
      tries: this.#targets.tries,
      destinationCounts: this.destinationCounts,
      message: settings.message,
      protocol: settings.protocol,
      tls: this.#tls,
      shared: this.#shared,
    };
    try {
      this.pool.start(plan, target);
    } catch (error) {
      this.#fail(error as AppError);
    }
  }

  #onMessage(message: ConnectMessage, worker: number): void {
    if (message.type === "opened") this.#events.opened({ ip: message.ip, port: message.port });
    else if (message.type === "received") {
      this.#events.received(message.text);
      this.#receivedTexts++;
      if (this.#receivedTexts % ACKNOWLEDGED_EVERY === 0)
        this.pool.set(worker, CONTROL.receivedTexts, this.#receivedTexts);
    } else {
      if (message.type === "ready") this.pacer.ready();
      else this.pacer.settled(worker);
      this.#events.moved();
    }
  }

  #fail(fault: AppError): void {
    this.#hasFailed = true;
    this.#events.failed(fault);
  }
}
