// The thread's side of a worker: its memory, its thread's descriptor table, its wake-up.
// What it does with them is its role's business.
import { parentPort, workerData } from "node:worker_threads";
import { countOpenDescriptors, listDescriptors } from "../linux/proc/procfs.js";
import { borrowDescriptor } from "../linux/syscalls/borrowed-descriptors.js";
import { ENOMEM, errnoName } from "../linux/syscalls/errno.js";
import { drain } from "../linux/syscalls/eventfd.js";
import { closeFd } from "../linux/syscalls/socket.js";
import { unshareDescriptors } from "../linux/syscalls/unshare.js";
import { AppError } from "../util/errors.js";
import { findLoopDescriptors } from "./threads/loop-descriptors.js";
import { BARRIER, THREAD, ThreadWords } from "./threads/thread-words.js";
import { COMMAND, CONTROL, WorkerMemory } from "./worker-memory.js";

/** What a new thread is given. */
export interface ThreadStart {
  readonly words: SharedArrayBuffer;
  readonly wakeFd: number;
  /** The main thread's descriptor table is this thread's, too. */
  readonly sharesTable: boolean;
  /** The threads that live already, whose descriptors are nothing to this one. */
  readonly others: readonly { readonly words: SharedArrayBuffer; readonly wakeFd: number }[];
}

/** What the pool hands to a worker. */
export interface WorkerStart<Plan> {
  readonly index: number;
  readonly memory: SharedArrayBuffer;
  readonly plan: Plan;
  /** Sockets of the main thread that this worker uses. */
  readonly kept: readonly number[];
}

/** What a thread says. */
export type ThreadMessage =
  /** It waits at the barrier, where the main thread stands still for it. */
  | { readonly type: "barrier" }
  | { readonly type: "role"; readonly message: unknown }
  /** The worker has ended in order. */
  | { readonly type: "ended"; readonly isReusable: boolean };

const BARRIER_WAIT_MS = 10_000;

/** A running worker, seen from inside its thread. `Plan` comes in, `Message`s go out. */
export class RoleWorker<Plan, Message> {
  readonly index: number;
  readonly plan: Plan;
  readonly memory: WorkerMemory;
  /** Becomes readable when the main thread has changed a word of the control block. */
  readonly wakeFd: number;
  /** Whether this thread's descriptor table is the main thread's. */
  readonly sharesTable: boolean;
  private readonly borrowed: ReadonlyMap<number, number>;

  constructor(start: WorkerStart<Plan>, thread: RunningThread, borrowed: ReadonlyMap<number, number>) {
    this.index = start.index;
    this.plan = start.plan;
    this.memory = new WorkerMemory(start.memory);
    this.wakeFd = thread.wakeFd;
    this.sharesTable = thread.sharesTable;
    this.borrowed = borrowed;
  }

  /** The command in force, one of COMMAND. */
  get command(): number {
    return Atomics.load(this.memory.control, CONTROL.command);
  }

  /** This thread's number for a socket of the main thread that it was given (`kept`). */
  localDescriptor(fd: number): number {
    return this.borrowed.get(fd) ?? fd;
  }

  /** The fault to throw when the role gets nothing to carry its connections. @param error a negative errno */
  cannotBegin(error: number): AppError {
    return cannotBegin(this.index, error);
  }

  send(message: Message): void {
    post({ type: "role", message });
  }
}

/** Runs workers of a role in this thread, one after the other: the last statement of a worker's module. */
export async function runWorkers<Plan, Message>(role: (worker: RoleWorker<Plan, Message>) => void): Promise<void> {
  const thread = new RunningThread(workerData as ThreadStart);
  await thread.begin();
  parentPort!.on("message", (start: WorkerStart<Plan> | undefined) => {
    if (start === undefined) parentPort!.close();
    else post({ type: "ended", isReusable: thread.run(start, role) });
  });
}

/** What of a thread outlives its workers. */
class RunningThread {
  readonly wakeFd: number;
  private readonly start: ThreadStart;
  private readonly shared: ThreadWords;
  private loop: readonly number[] = [];
  private hasRun = false;

  constructor(start: ThreadStart) {
    this.start = start;
    this.wakeFd = start.wakeFd;
    this.shared = new ThreadWords(start.words);
    if (start.sharesTable) this.shared.shareTable();
  }

  get sharesTable(): boolean {
    return this.shared.isTableShared;
  }

  /** Tells the main thread which descriptors this thread's end will leave behind in the table shared until now. */
  async begin(): Promise<void> {
    this.loop = await findLoopDescriptors();
    this.shared.loopDescriptors = this.loop;
  }

  /** @returns whether the thread is as good as new afterwards */
  run<Plan, Message>(start: WorkerStart<Plan>, role: (worker: RoleWorker<Plan, Message>) => void): boolean {
    const borrowed = this.hasRun && !this.sharesTable ? borrow(start) : new Map<number, number>();
    if (!this.hasRun && !this.sharesTable) this.takeOwnTable(start.kept);
    this.hasRun = true;
    // What rang before, rang for an earlier worker.
    drain(this.wakeFd);
    const before = this.sharesTable ? undefined : countOpenDescriptors();
    const worker = new RoleWorker<Plan, Message>(start, this, borrowed);
    role(worker);
    // One that was to end at once has left its connections to the kernel, which closes them when the thread has ended.
    if (worker.command === COMMAND.abort) return false;
    const ownKept = this.sharesTable ? 0 : start.kept.length;
    return before === undefined || countOpenDescriptors() === before - ownKept;
  }

  /**
   * A table of its own has a limit of its own (RLIMIT_NOFILE is a table's), and is not locked by other threads. Containers
   * may forbid it: then all workers share one table, and the main thread is told.
   */
  private takeOwnTable(kept: readonly number[]): void {
    const { words } = this.shared;
    // The main thread stands still for it. Were it just starting a program, a copy of the pipe by which it learns
    // that the program has begun would keep it waiting for ever; and whatever it closed before the copies here are
    // gone would stay open: a listening socket would go on listening.
    Atomics.store(words, THREAD.barrier, BARRIER.requested);
    post({ type: "barrier" });
    Atomics.wait(words, THREAD.barrier, BARRIER.requested, BARRIER_WAIT_MS);
    // Where the main thread does not come, it is not to stop for nothing later on.
    Atomics.compareExchange(words, THREAD.barrier, BARRIER.requested, BARRIER.passed);
    try {
      if (unshareDescriptors() < 0) this.shared.shareTable();
      else closeCopies(descriptorsOf(this.start.others), [...this.loop, this.wakeFd, ...kept]);
    } finally {
      Atomics.store(words, THREAD.barrier, BARRIER.passed);
      Atomics.notify(words, THREAD.barrier);
    }
  }
}

function post(message: ThreadMessage): void {
  parentPort?.postMessage(message);
}

function borrow({ kept, index }: WorkerStart<unknown>): Map<number, number> {
  return new Map(
    kept.map((fd) => {
      const own = borrowDescriptor(fd);
      if (own < 0) throw cannotBegin(index, own);
      return [fd, own];
    }),
  );
}

function cannotBegin(index: number, error: number): AppError {
  return new AppError("E_WORKER", `thread ${index} could not begin: ${errnoName(-error)}`, {
    fix:
      error === -ENOMEM
        ? "free memory; with --engine uring, raise the limit of locked memory (ulimit -l)"
        : "raise the limit of open files (ulimit -n) or ask for fewer connections",
  });
}

/**
 * The event loops' descriptors of other threads: each would take room in the tables of all that start later. Read while the
 * main thread stands still, so that none of these numbers has been closed and given to something else.
 */
function descriptorsOf(threads: ThreadStart["others"]): number[] {
  return threads.flatMap(({ words, wakeFd }) => {
    const { loopDescriptors } = new ThreadWords(words);
    // The main thread has closed those of one that has ended.
    return loopDescriptors.length > 0 ? [...loopDescriptors, wakeFd] : [];
  });
}

/** Closes the copies of what is nothing to this thread: they take room, and would keep alive what others close. */
function closeCopies(foreign: readonly number[], kept: readonly number[]): void {
  for (const { fd, target } of listDescriptors()) {
    const isOfOthers = target.startsWith("socket:") || (target.startsWith("/") && !target.startsWith("/dev/"));
    // Other pipes stay: the main thread's loop is woken through one.
    if (fd > 2 && (isOfOthers || foreign.includes(fd)) && !kept.includes(fd)) closeFd(fd);
  }
}
