// Manages a server's workers: one per core on one listening socket, and more as descriptor tables fill up.

import { readWatchLimit, watchesAllowed } from "../engine/epoll-watches.js";
import { CORES, WorkerPool } from "../engine/pool.js";
import { type ScriptRun, scriptRunOf } from "../engine/script/run.js";
import { HandlerWatch } from "../engine/script/watch.js";
import { sumCounter } from "../engine/worker-memory.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { canRegisterFiles } from "../linux/uring/registered-files.js";
import type { EngineReport, PacketCounts } from "../results/engine.js";
import type { WatchRoom } from "../results/evidence.js";
import { fallenBack } from "../transport/choose-engine.js";
import type { PacketServerPlan } from "../transport/contract.js";
import { readCounts } from "../transport/packet/counts.js";
import { cancelOpening } from "../transport/packet/devices/shared-tun.js";
import type { ServerIdentity } from "../transport/tls/identity.js";
import type { AppError } from "../util/errors.js";
import type { Listener } from "./listening/listener.js";
import { SERVER_METRICS } from "./metrics.js";
import type { ServeSettings } from "./options.js";
import { type ServeMessage, type ServePlan, SHARED } from "./worker-plan.js";

export interface WorkersEvents {
  /** Called once all initial threads accept connections. */
  ready(): void;
  /**
   * Called when a connection was accepted, for the first 10, all or no connections, depending on the `log` option.
   */
  accepted(peer: { readonly ip: string; readonly port: number }): void;
  /**
   * Called when a handler of a script throws for the first time.
   * @param text the error with its stack
   */
  handlerFailed(text: string): void;
  /** Called when a worker could not be started, or died and lost its connections. */
  failed(fault: AppError): void;
}

export class ServerWorkers {
  readonly nofileLimit = raiseNofileLimit().soft;
  /** Limit on connections watched with epoll; undefined for other engines. */
  readonly #watchLimit: ReturnType<typeof readWatchLimit>;
  #engine: EngineReport;
  readonly pool: WorkerPool<ServePlan, ServeMessage>;
  /** The script; undefined for other protocols. */
  readonly script: ScriptRun | undefined;
  readonly #watch: HandlerWatch | undefined;
  readonly #settings: ServeSettings;
  readonly #listener: Listener;
  readonly #identity: ServerIdentity | undefined;
  readonly #events: WorkersEvents;
  readonly #shared = new SharedArrayBuffer(SHARED.words * 4);
  readonly #words = new Int32Array(this.#shared);
  readonly #canPark = canRegisterFiles();
  /** False once starting another thread has failed. */
  #canGrow = true;
  /** Numbers of the threads that have started listening. */
  readonly #listening = new Set<number>();
  /** Number of initial threads that are not listening yet. */
  #starting: number;
  /** Number of initial threads: one per core, or one per TUN device of a server without kernel sockets. */
  readonly #initial: number;

  constructor(
    settings: ServeSettings,
    listener: Listener,
    engine: EngineReport,
    identity: ServerIdentity | undefined,
    events: WorkersEvents,
  ) {
    this.#settings = settings;
    this.#listener = listener;
    this.#initial = this.#starting = listener.packets?.length ?? CORES;
    this.#engine = engine;
    this.#watchLimit = engine.name === "epoll" && !listener.packets ? readWatchLimit() : undefined;
    this.#identity = identity;
    this.#events = events;
    this.script = scriptRunOf(settings.protocol, SERVER_METRICS.layout);
    this.pool = new WorkerPool({
      entry: "server/worker",
      metrics: this.script ?? SERVER_METRICS,
      kept: [listener.fd],
      onMessage: (message, worker) => this.#onMessage(message, worker),
      onFault: (fault, worker) => this.#onFault(this.script?.explain(fault) ?? fault, worker),
    });
    this.#watch = this.script && new HandlerWatch(this.pool, this.script, events.handlerFailed);
  }

  /**
   * Starts one worker per core.
   * @returns the error if a worker could not be started
   */
  start(): AppError | undefined {
    try {
      for (let thread = 0; thread < this.#initial; thread++) this.#startOne(this.#listener.packets?.[thread]);
      return undefined;
    } catch (error) {
      this.#cancelOpening();
      return error as AppError;
    }
  }

  /** Called when all threads have ended. */
  end(): void {
    this.#watch?.end();
  }

  /** Stops adding threads. */
  startNoMore(): void {
    this.#canGrow = false;
  }

  /** Counts of TCP once all workers have ended; undefined for kernel sockets. */
  get packets(): PacketCounts | undefined {
    const { packets } = this.#listener;
    return packets && readCounts(packets.flatMap(({ counts }) => counts ?? []));
  }

  sum(counter: number): number {
    return sumCounter(this.pool.memories, counter);
  }

  /** True while the workers accept nothing because epoll watches are running out. */
  get isOutOfWatches(): boolean {
    return this.#words[SHARED.open]! >= watchesAllowed(this.#watchLimit);
  }

  /** Engine in use. `epoll` if any worker has fallen back to it. */
  get engine(): EngineReport {
    return this.#engine;
  }

  /** Peak number of open connections. */
  get peakOpen(): number {
    return this.#words[SHARED.peak]!;
  }

  /** Epoll watches at the peak, if their limit stopped the workers from accepting. */
  get watchStop(): WatchRoom | undefined {
    const limit = this.#watchLimit;
    return limit && this.peakOpen >= watchesAllowed(limit) ? { watched: this.peakOpen, ...limit } : undefined;
  }

  #onMessage(message: ServeMessage, worker: number): void {
    if (message.type === "listening") {
      this.#listening.add(worker);
      if (message.hasFallenBack) this.#engine = fallenBack(this.#engine);
      this.#starting--;
      if (this.#starting === 0) this.#events.ready();
    } else if (message.type === "accepted") {
      for (const peer of message.peers) this.#events.accepted(peer);
      Atomics.add(this.#words, SHARED.reported, message.peers.length);
    } else {
      // Keep as many threads with a half-empty table as there are cores, so that the next one is ready in time. If
      // connections can be parked, tables never fill up; if the threads share one table, more threads do not help.
      if (this.#canGrow && !this.#canPark && this.pool.hasPrivateTables) this.#startAnother();
    }
  }

  /**
   * An additional thread that failed to start had no connections. The failure of any other thread loses connections.
   */
  #onFault(fault: AppError, worker: number): void {
    if (worker >= this.#initial && !this.#listening.has(worker)) this.#canGrow = false;
    else {
      this.#cancelOpening();
      this.#events.failed(fault);
    }
  }

  /** Ends the wait of threads for one that has failed to start. */
  #cancelOpening(): void {
    const shared = this.#listener.packets?.[0]?.device.shared;
    if (shared) cancelOpening(shared);
  }

  /** If no more threads can be started, the existing ones carry on. */
  #startAnother(): void {
    try {
      this.#startOne();
    } catch {
      this.#canGrow = false;
    }
  }

  #startOne(packet?: PacketServerPlan): void {
    const { mode, greeting, closeAfterGreeting, protocol, handshakeTimeoutMs, proxyProtocol, maxConnections, logged } =
      this.#settings;
    this.pool.start({
      listener: this.#listener.fd,
      packet,
      engine: this.#engine.name,
      fallsBack: this.#engine.requested === "auto",
      mode,
      greeting,
      closeAfterGreeting,
      protocol,
      script: this.script?.plan,
      handshakeTimeoutMs,
      proxyProtocol,
      tls: this.#identity?.settings,
      maxConnections,
      watches: watchesAllowed(this.#watchLimit),
      backlog: this.#listener.backlog,
      logged,
      tableSize: this.nofileLimit,
      shared: this.#shared,
    });
  }
}
