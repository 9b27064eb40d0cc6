// The main thread's side of the shards: starts threads, hands them plans, wakes them, waits for their end.
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { AppError } from "../base/errors.js";
import { openEventfd, ring } from "../sys/eventfd.js";
import { closeFd } from "../sys/socket.js";
import type { ShardStart } from "./shard.js";
import { AT_GATE, COMMAND, CONTROL, GATE, LOOP_DESCRIPTORS, ShardMemory, TABLE_GATE } from "./shard-memory.js";

export interface PoolOptions<Message> {
  /** The module that a thread runs: it ends with runShard(). */
  readonly module: URL;
  /** Sockets of the main thread that the shards use: all others are closed in their tables. */
  readonly kept?: readonly number[];
  /** All threads use the main thread's descriptor table; default: each has one of its own, where that is allowed. */
  readonly sharesTable?: boolean;
  readonly onMessage: (message: Message, shard: number) => void;
  /** A thread died of an error; its connections are gone. */
  readonly onFault: (error: AppError) => void;
}

/** One per core: how many threads open or accept at the same time. */
export const CORES = availableParallelism();

// A shard's heap holds no connection: they live in typed arrays outside of it.
const HEAP = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };

// The shard passes within a millisecond, and some 10 µs more for each descriptor of this process, unless it is not scheduled.
const GATE_WAIT_MS = 1000;

interface Running {
  readonly memory: ShardMemory;
  readonly wakeFd: number;
  readonly worker: Worker;
  readonly ended: Promise<void>;
  alive: boolean;
}

export class ShardPool<Plan, Message> {
  readonly #options: PoolOptions<Message>;
  readonly #shards: Running[] = [];
  // process.exit() waits for threads, and a thread in epoll_wait() would wait for ever.
  readonly #onExit = (): void => this.abort();

  constructor(options: PoolOptions<Message>) {
    this.#options = options;
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
    return this.#shards.every((shard) => Atomics.load(shard.memory.control, CONTROL.tableShared) === 0);
  }

  /** Starts a shard and returns its number. */
  start(plan: Plan, target = 0): number {
    const index = this.#shards.length;
    if (this.living === 0) process.on("exit", this.#onExit);
    const memory = new ShardMemory();
    memory.control[CONTROL.target] = target;
    const wakeFd = openEventfd();
    const start: ShardStart<Plan> = {
      index,
      memory: memory.buffer,
      wakeFd,
      plan,
      kept: this.#options.kept ?? [],
      sharesTable: this.#options.sharesTable ?? false,
      earlier: this.#shards.map((shard) => ({ memory: shard.memory.buffer, wakeFd: shard.wakeFd })),
    };
    const worker = new Worker(this.#options.module, { workerData: start, resourceLimits: HEAP, execArgv: [] });
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const shard: Running = { memory, wakeFd, worker, ended, alive: true };
    worker.on("message", (message: Message | typeof AT_GATE) => {
      if (message === AT_GATE) letPass(memory);
      else this.#options.onMessage(message, index);
    });
    worker.once("error", (cause) => this.#options.onFault(toFault(cause)));
    ended.then(() => {
      shard.alive = false;
      closeFd(wakeFd);
      closeLeftBehind(memory);
      if (this.living === 0) process.off("exit", this.#onExit);
    });
    this.#shards.push(shard);
    return index;
  }

  /** Writes a word of a shard's control block and wakes the shard if that changed it. */
  set(index: number, word: number, value: number): void {
    const shard = this.#shards[index]!;
    if (shard.alive && Atomics.exchange(shard.memory.control, word, value) !== value) ring(shard.wakeFd);
  }

  setAll(word: number, value: number): void {
    for (let index = 0; index < this.#shards.length; index++) this.set(index, word, value);
  }

  /** Tells every shard to close its connections and waits until all have ended. */
  async stop(): Promise<void> {
    for (const { alive, memory, wakeFd } of this.#shards) {
      // One that is to end at once is not to begin closing after all.
      const before = Atomics.compareExchange(memory.control, CONTROL.command, COMMAND.run, COMMAND.stop);
      if (alive && before === COMMAND.run) ring(wakeFd);
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

/** Stands still while a shard copies the descriptor table and closes what is not its own. */
function letPass({ control }: ShardMemory): void {
  Atomics.store(control, TABLE_GATE, GATE.open);
  Atomics.notify(control, TABLE_GATE);
  Atomics.wait(control, TABLE_GATE, GATE.open, GATE_WAIT_MS);
}

/** A thread that has unshared its table closes its event loop's descriptors only there. */
function closeLeftBehind({ control }: ShardMemory): void {
  if (control[CONTROL.tableShared] === 1) return;
  const first = CONTROL.loopDescriptors;
  const loop = control.subarray(first, first + LOOP_DESCRIPTORS);
  for (const fd of loop) if (fd > 0) closeFd(fd);
  loop.fill(0);
}

function toFault(cause: unknown): AppError {
  if (cause instanceof Error && "fix" in cause && "code" in cause) return cause as AppError;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new AppError("E_SHARD", `a thread ended early: ${message}`, {
    fix: "there may be too little memory or too few threads allowed: ask for fewer connections, or look at ulimit -u",
    cause,
  });
}
