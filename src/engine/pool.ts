// Worker pool of the main thread: allocates threads, hands them plans, wakes them, and waits for them to end.
import { availableParallelism } from "node:os";
import { notify } from "../linux/syscalls/eventfd.js";
import type { AppError } from "../util/errors.js";
import type { Entry } from "../util/program/entries.js";
import { type ThreadKind, WorkerThread } from "./threads/thread.js";
import { COMMAND, CONTROL, type MemoryLayout, WorkerMemory } from "./worker-memory.js";

export interface PoolOptions<Message> {
  /** Module that a thread runs; its last statement must be runWorkers(). */
  readonly entry: Entry;
  /** Metrics of the workers. */
  readonly metrics: { readonly layout: MemoryLayout };
  /**
   * Main-thread sockets used by the workers. All other main-thread sockets are closed in the workers' descriptor
   * tables.
   */
  readonly kept?: readonly number[];
  /**
   * Whether all threads use the main thread's descriptor table. By default, each thread has its own table, if the host
   * permits it.
   */
  readonly sharesTable?: boolean;
  readonly onMessage: (message: Message, worker: number) => void;
  /** Called when a thread terminates with an error. Its connections are lost. */
  readonly onFault: (error: AppError, worker: number) => void;
}

/** Number of threads that open or accept connections at the same time: one per core. */
export const CORES = availableParallelism();

interface Running {
  readonly memory: WorkerMemory;
  readonly thread: WorkerThread;
  readonly ended: Promise<void>;
  alive: boolean;
}

/** Pools with a live worker. */
const living = new Set<{ abort(): void }>();

// process.exit() waits for threads, and a thread in epoll_wait() would block it forever.
function abortAll(): void {
  for (const pool of living) pool.abort();
}

export class WorkerPool<Plan, Message> {
  readonly #options: PoolOptions<Message>;
  readonly #kind: ThreadKind;
  readonly #workers: Running[] = [];

  constructor(options: PoolOptions<Message>) {
    this.#options = options;
    this.#kind = { entry: options.entry, sharesTable: options.sharesTable ?? false };
  }

  /** Memory of every worker ever started: the counts of workers that have ended are retained. */
  get memories(): WorkerMemory[] {
    return this.#workers.map((worker) => worker.memory);
  }

  get size(): number {
    return this.#workers.length;
  }

  get living(): number {
    return this.#workers.filter((worker) => worker.alive).length;
  }

  /** Whether every worker so far has a private descriptor table, and thus its own limit of open files. */
  get hasPrivateTables(): boolean {
    return this.#workers.every(({ thread }) => thread.hasPrivateTable);
  }

  /**
   * Starts a worker and returns its number.
   *
   * @throws {AppError} E_WORKER or E_SYSTEM if no thread is available
   */
  start(plan: Plan, target = 0): number {
    const index = this.#workers.length;
    const memory = new WorkerMemory(this.#options.metrics.layout);
    memory.control[CONTROL.target] = target;
    const kept = this.#options.kept ?? [];
    const thread = WorkerThread.take(this.#kind, kept.length > 0);
    const ended = thread.run<Plan>(
      { index, memory: memory.buffer, plan, kept },
      {
        onMessage: (message) => this.#options.onMessage(message as Message, index),
        onFault: (error) => this.#options.onFault(error, index),
      },
    );
    const worker: Running = { memory, thread, ended, alive: true };
    this.#workers.push(worker);
    if (living.size === 0) process.on("exit", abortAll);
    living.add(this);
    ended.then(() => {
      worker.alive = false;
      if (this.living > 0) return;
      living.delete(this);
      if (living.size === 0) process.off("exit", abortAll);
    });
    return index;
  }

  /** Writes a word of a worker's control block, and wakes the worker if the value changed. */
  set(index: number, word: number, value: number): void {
    const worker = this.#workers[index]!;
    if (worker.alive && Atomics.exchange(worker.memory.control, word, value) !== value) notify(worker.thread.wakeFd);
  }

  setAll(word: number, value: number): void {
    for (let index = 0; index < this.#workers.length; index++) this.set(index, word, value);
  }

  /** Returns the id of a worker's thread (Worker.threadId). */
  threadOf(index: number): number {
    return this.#workers[index]!.thread.id;
  }

  /**
   * Terminates the thread of a worker whose code does not return, and reports `fault` for it. Its connections are lost.
   */
  terminate(index: number, fault: AppError): void {
    this.#workers[index]!.thread.terminate(fault);
  }

  /** Tells every worker to close its connections and waits until all have ended. */
  async stop(): Promise<void> {
    for (const { alive, memory, thread } of this.#workers) {
      // Do not downgrade an abort to a stop.
      const before = Atomics.compareExchange(memory.control, CONTROL.command, COMMAND.run, COMMAND.stop);
      if (alive && before === COMMAND.run) notify(thread.wakeFd);
    }
    await this.ended();
  }

  /** Tells every worker to end at once. The kernel then closes their connections when the process exits. */
  abort(): void {
    this.setAll(CONTROL.command, COMMAND.abort);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.ended));
  }
}
