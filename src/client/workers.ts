// Manages all of a run's workers: starts them as the ramp needs them, paces, counts and stops them. This class also
// decides what limits the workers' connections.

import { readWatchLimit, watchesAllowed } from "../engine/epoll-watches.js";
import { CORES, WorkerPool } from "../engine/pool.js";
import { type ScriptRun, scriptRunOf } from "../engine/script/run.js";
import { HandlerWatch } from "../engine/script/watch.js";
import { DescriptorReserve } from "../engine/threads/descriptor-reserve.js";
import { CONTROL, sumCounter, TARGET_AS_IT_IS, type WorkerMemory } from "../engine/worker-memory.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { ETIMEDOUT } from "../linux/syscalls/errno.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { type PacketWorker, planPacketWorkers } from "../planning/packet/plan.js";
import type { Targets } from "../planning/targets.js";
import type { PublishedPlan } from "../protocols/mqtt/published.js";
import type { EngineReport, PacketCounts } from "../results/engine.js";
import { fallenBack } from "../transport/choose-engine.js";
import { allocateCounts as allocatePacketCounts, readCounts } from "../transport/packet/counts.js";
import type { AppError } from "../util/errors.js";
import { STEP } from "../util/steps.js";
import { allocateCounts } from "./evidence/destination-counts.js";
import { type TupleUse, tupleUseOf } from "./evidence/tuple-use.js";
import { planAudit } from "./messages/delivery-audit.js";
import { CLIENT_METRICS, COUNTER } from "./metrics.js";
import type { RampCounts } from "./ramp/give-up.js";
import { Pacer } from "./ramp/pacer.js";
import { earlierOf, layOutThreads, shareOf, type ThreadLayout } from "./ramp/thread-layout.js";
import type { ConnectSettings } from "./settings.js";
import { ACKNOWLEDGED_EVERY } from "./single/flow-control.js";
import { planTls, type TlsPlan } from "./tls/plan.js";
import { type ConnectMessage, type ConnectPlan, SHARED } from "./worker-plan.js";

/** Durations of TCP, TLS and protocol handshakes. */
const HANDSHAKES = [
  STEP.connect,
  STEP.tls,
  STEP.upgrade,
  STEP.request,
  STEP.greeting,
  STEP["first-message"],
  STEP.connack,
  STEP.setup,
];

/**
 * Limit on a worker's connections: none, because connections can be parked; a private descriptor table; or one table
 * shared by all workers.
 */
export type TablesAllowed = "unbounded" | "private" | "one";

/** Engine and descriptor tables chosen for a run. */
export interface Carriers {
  readonly engine: EngineReport;
  readonly tables: TablesAllowed;
}

export interface WorkersEvents {
  /** A connection is ESTABLISHED. Called for a single connection only. */
  opened(local: { readonly ip: string; readonly port: number }): void;
  /** Text was received. Called for a single connection only. */
  received(text: string): void;
  /**
   * Called when a handler of a script throws for the first time.
   * @param text the error with its stack
   */
  handlerFailed(text: string): void;
  /** Called when everything requested so far has settled, or a worker has started. The pacer may request more. */
  moved(): void;
  /** Called when a worker failed to start, or died and took its connections with it. */
  failed(fault: AppError): void;
}

export class ClientWorkers {
  readonly nofileLimit = raiseNofileLimit().soft;
  /** Memory for DestinationCounts; undefined for a single destination. */
  readonly destinationCounts: SharedArrayBuffer | undefined;
  readonly pool: WorkerPool<ConnectPlan, ConnectMessage>;
  readonly pacer: Pacer;
  /** The script; undefined for other protocols. */
  readonly script: ScriptRun | undefined;
  readonly #watch: HandlerWatch | undefined;
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  #engine: EngineReport;
  readonly #events: WorkersEvents;
  #layout: ThreadLayout;
  /** Device and tuples of each worker; undefined for kernel sockets. */
  readonly #packetWorkers: readonly (PacketWorker & { readonly counts: SharedArrayBuffer })[] | undefined;
  readonly #parks: boolean;
  readonly #shared = new SharedArrayBuffer(SHARED.words * 4);
  /** Maximum number of connections that a worker may watch with epoll. */
  readonly #watches: number;
  #reserve: DescriptorReserve | undefined;
  readonly #tls: TlsPlan | undefined;
  readonly #published: PublishedPlan | undefined;
  #hasFailed = false;
  #receivedTexts = 0;

  /** @param isHeld whether the threads start, but open nothing until the pacer's release() */
  constructor(
    settings: ConnectSettings,
    targets: Targets,
    { engine, tables }: Carriers,
    events: WorkersEvents,
    isHeld: boolean,
  ) {
    this.#settings = settings;
    this.#targets = targets;
    this.#engine = engine;
    this.#events = events;
    this.destinationCounts = allocateCounts(targets.plan);
    if (settings.receivesOwn) this.#published = planAudit(settings);
    this.#tls = settings.tls && planTls(settings.tls, targets);
    this.#parks = tables === "unbounded";
    // The caller expects greetings, so every connection is in flight until its greeting.
    if (settings.closesGreeted) this.share(SHARED.peerGreets, 1);
    this.share(SHARED.numbered, settings.numberedBefore);
    if (tables === "one") this.#reserve = new DescriptorReserve();
    // More threads help only if each has a descriptor table of its own and the size of that table is the limit.
    const tableSize = tables === "private" ? this.nofileLimit : Number.POSITIVE_INFINITY;
    this.#layout = layOutThreads(settings.connections, tableSize, countOpenDescriptors(), CORES);
    if (settings.transport === "packet") {
      const { workers } = this.#layout;
      const shares = Array.from({ length: workers }, (_, worker) => shareOf(this.#layout, worker));
      this.#packetWorkers = planPacketWorkers(targets.plan, shares, targets.network?.mtu).map((worker) => ({
        ...worker,
        counts: allocatePacketCounts(),
        delaysAcks: settings.delayedAck,
      }));
      if (this.#packetWorkers.length < workers) this.#layout = { ...this.#layout, workers: 1, active: 1 };
    }
    this.#watches = Math.floor(watchesAllowed(readWatchLimit()) / this.#layout.workers);
    this.script = scriptRunOf(settings.protocol, CLIENT_METRICS.layout, settings.numberedBefore + settings.connections);
    this.pool = new WorkerPool({
      entry: settings.isSingle ? "client/single/worker" : "client/worker",
      metrics: this.script ?? CLIENT_METRICS,
      sharesTable: tables === "one",
      onMessage: (message, worker) => this.#onMessage(message, worker),
      onFault: (fault) => this.#fail(this.script?.explain(fault) ?? fault),
    });
    this.#watch = this.script && new HandlerWatch(this.pool, this.script, events.handlerFailed);
    this.pacer = new Pacer(this.pool, settings, this.#layout, (worker, target) => this.#start(worker, target), isHeld);
  }

  /** Engine in use. `epoll` if any worker has fallen back to it. */
  get engine(): EngineReport {
    return this.#engine;
  }

  /** Counts of TCP once all workers have ended; undefined for kernel sockets. */
  get packets(): PacketCounts | undefined {
    return this.#packetWorkers && readCounts(this.#packetWorkers.map(({ counts }) => counts));
  }

  /** Returns the use of the 4-tuples: for each worker with a plan of its own, or else for the plan that all share. */
  tupleUse(): TupleUse[] {
    const { memories } = this;
    if (!this.#packetWorkers) return [tupleUseOf(this.#targets.plan, this.#settings.connections, memories)];
    return this.#packetWorkers.map(({ plan }, worker) =>
      tupleUseOf(plan, shareOf(this.#layout, worker), memories.slice(worker, worker + 1)),
    );
  }

  get memories(): WorkerMemory[] {
    return this.pool.memories;
  }

  sum(counter: number): number {
    return sumCounter(this.memories, counter);
  }

  /** Returns the outcomes of the ramp so far. */
  rampCounts(): RampCounts {
    return {
      ready: this.sum(COUNTER.ready),
      failed: this.sum(COUNTER.failed),
      timedOut: HANDSHAKES.reduce((sum, step) => sum + this.#failures(step, ETIMEDOUT), 0),
    };
  }

  /** Stores `value` in a word of the memory shared by all workers. */
  share(word: number, value: number): void {
    Atomics.store(new Int32Array(this.#shared), word, value);
  }

  /** Stops opening connections. */
  endRamp(): void {
    // Do not store a lower count: workers would close whatever they open before they see it.
    this.pool.setAll(CONTROL.target, TARGET_AS_IT_IS);
  }

  /** Releases the descriptors reserved for the main thread, which reads the kernel's tables from now on. */
  releaseReserve(): void {
    this.#reserve?.release();
  }

  /** Closes all connections and releases the resources of the workers. */
  async end(): Promise<void> {
    await this.pool.stop();
    this.#watch?.end();
    this.releaseReserve();
  }

  #failures(step: number, errno: number): number {
    return this.memories.reduce((sum, memory) => sum + memory.failures(step, errno), 0);
  }

  #start(worker: number, target: number): void {
    // The pacer may request more workers before it learns of the failure.
    if (this.#hasFailed) return;
    const settings = this.#settings;
    const packet = this.#packetWorkers?.[worker];
    const plan: ConnectPlan = {
      tuples: packet?.plan ?? this.#targets.plan,
      packet,
      engine: this.#engine.name,
      fallsBack: this.#engine.requested === "auto",
      share: shareOf(this.#layout, worker),
      connections: settings.connections,
      earlier: earlierOf(this.#layout, worker),
      reopens: settings.reopens,
      reopenIntervalMs: settings.connectIntervalMs * this.#layout.active,
      reusesTuples: settings.isStaged || settings.closesGreeted || settings.closesAnswered || settings.reopens,
      window: Math.max(1, Math.floor(settings.concurrency / this.#layout.active)),
      connectTimeoutMs: settings.connectTimeoutMs,
      handshakeTimeoutMs: settings.handshakeTimeoutMs,
      tableSize: this.nofileLimit,
      parks: this.#parks,
      watches: this.#watches,
      reset: settings.reset,
      closesGreeted: settings.closesGreeted,
      proxyProtocol: settings.proxyProtocol,
      tries: this.#targets.tries,
      destinationCounts: this.destinationCounts,
      message: settings.message,
      opening: settings.opening,
      protocol: settings.protocol,
      published: this.#published,
      script: this.script?.plan,
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
      if (message.type === "ready") {
        if (message.hasFallenBack) this.#engine = fallenBack(this.#engine);
        this.pacer.ready();
      } else this.pacer.resolved(worker);
      this.#events.moved();
    }
  }

  #fail(fault: AppError): void {
    this.#hasFailed = true;
    this.#events.failed(fault);
  }
}
