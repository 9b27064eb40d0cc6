// The main thread's side of the shards: takes threads, hands them plans, wakes them, waits for their end.
import { availableParallelism } from "node:os";
import { ring } from "../linux/syscalls/eventfd.js";
import type { AppError } from "../util/errors.js";
import { ShardThread, type ThreadKind } from "./threads/thread.js";
import { COMMAND, CONTROL, type MemoryLayout, ShardMemory } from "./worker-memory.js";

export interface PoolOptions<Message> {
  /** The module that a thread runs: it ends with runShards(). */
  readonly module: URL;
  /** What the shards count. */
  readonly metrics: { readonly layout: MemoryLayout };
  /** Sockets of the main thread that the shards use: all others are closed in their tables. */
  readonly kept?: readonly number[];
  /** All threads use the main thread's descriptor table; default: each has one of its own, where that is allowed. */
  readonly sharesTable?: boolean;
  readonly onMessage: (message: Message, shard: number) => void;
  /** A thread died of an error; its connections are gone. */
  readonly onFault: (error: AppError, shard: number) => void;
}

/** One per core: how many threads open or accept at the same time. */
export const CORES = availableParallelism();

interface Running {
  readonly memory: ShardMemory;
  readonly thread: ShardThread;
  readonly ended: Promise<void>;
  alive: boolean;
}

/** Pools with a living shard. */
const living = new Set<{ abort(): void }>();

// process.exit() waits for threads, and a thread in epoll_wait() would wait for ever.
function abortAll(): void {
  for (const pool of living) pool.abort();
}

export class ShardPool<Plan, Message> {
  readonly #options: PoolOptions<Message>;
  readonly #kind: ThreadKind;
  readonly #shards: Running[] = [];

  constructor(options: PoolOptions<Message>) {
    this.#options = options;
    this.#kind = { module: options.module, sharesTable: options.sharesTable ?? false };
  }

  /** The memory of every shard ever started: what an ended one counted stays. */
  get memories(): ShardMemory[] {
    return this.#shards.map((shard) => shard.memory);
  }

  get size(): number {
    return this.#shards.length;
  }

  get living(): number {
    return this.#shards.filter((shard) => shard.alive).length;
  }

  /** Whether every shard so far has a descriptor table, and so a limit of open files, of its own. */
  get hasPrivateTables(): boolean {
    return this.#shards.every(({ thread }) => thread.hasPrivateTable);
  }

  /**
   * Starts a shard and returns its number.
   *
   * @throws {AppError} E_SHARD or E_SYSTEM when there is no thread for it
   */
  start(plan: Plan, target = 0): number {
    const index = this.#shards.length;
    const memory = new ShardMemory(this.#options.metrics.layout);
    memory.control[CONTROL.target] = target;
    const kept = this.#options.kept ?? [];
    const thread = ShardThread.take(this.#kind, kept.length > 0);
    const ended = thread.run<Plan>(
      { index, memory: memory.buffer, plan, kept },
      {
        onMessage: (message) => this.#options.onMessage(message as Message, index),
        onFault: (error) => this.#options.onFault(error, index),
      },
    );
    const shard: Running = { memory, thread, ended, alive: true };
    this.#shards.push(shard);
    if (living.size === 0) process.on("exit", abortAll);
    living.add(this);
    ended.then(() => {
      shard.alive = false;
      if (this.living > 0) return;
      living.delete(this);
      if (living.size === 0) process.off("exit", abortAll);
    });
    return index;
  }

  /** Writes a word of a shard's control block and wakes the shard if that changed it. */
  set(index: number, word: number, value: number): void {
    const shard = this.#shards[index]!;
    if (shard.alive && Atomics.exchange(shard.memory.control, word, value) !== value) ring(shard.thread.wakeFd);
  }

  setAll(word: number, value: number): void {
    for (let index = 0; index < this.#shards.length; index++) this.set(index, word, value);
  }

  /** Tells every shard to close its connections and waits until all have ended. */
  async stop(): Promise<void> {
    for (const { alive, memory, thread } of this.#shards) {
      // One that is to end at once is not to begin closing after all.
      const before = Atomics.compareExchange(memory.control, CONTROL.command, COMMAND.run, COMMAND.stop);
      if (alive && before === COMMAND.run) ring(thread.wakeFd);
    }
    await this.ended();
  }

  /** Tells every shard to end at once; the kernel closes what they held when the process ends. */
  abort(): void {
    this.setAll(CONTROL.command, COMMAND.abort);
  }

  async ended(): Promise<void> {
    await Promise.all(this.#shards.map((shard) => shard.ended));
  }
}
