// Worker side of a thread: its memory, descriptor table and wake-up. The work itself is implemented by the role.
import { parentPort, workerData } from "node:worker_threads";
import { countOpenDescriptors, listDescriptors } from "../linux/proc/procfs.js";
import { borrowDescriptor } from "../linux/syscalls/borrowed-descriptors.js";
import { drain } from "../linux/syscalls/eventfd.js";
import { closeFd } from "../linux/syscalls/socket.js";
import { unshareDescriptors } from "../linux/syscalls/unshare.js";
import type { AppError } from "../util/errors.js";
import { findLoopDescriptors } from "./threads/loop-descriptors.js";
import { startError } from "./threads/start-error.js";
import { BARRIER, THREAD, ThreadWords } from "./threads/thread-words.js";
import { COMMAND, CONTROL, WorkerMemory } from "./worker-memory.js";

/** Data passed to a new thread. */
export interface ThreadStart {
  readonly words: SharedArrayBuffer;
  readonly wakeFd: number;
  /** Whether the thread uses the main thread's descriptor table. */
  readonly sharesTable: boolean;
  /** Threads that already exist, whose descriptors this thread does not need. */
  readonly others: readonly { readonly words: SharedArrayBuffer; readonly wakeFd: number }[];
}

/** Data passed from the pool to a worker. */
export interface WorkerStart<Plan> {
  readonly index: number;
  readonly memory: SharedArrayBuffer;
  readonly plan: Plan;
  /** Main-thread sockets that this worker uses. */
  readonly kept: readonly number[];
}

/** Messages from a thread to the main thread. */
export type ThreadMessage =
  /** Sent when the thread is waiting at the barrier until the main thread blocks. */
  | { readonly type: "barrier" }
  | { readonly type: "role"; readonly message: unknown }
  /** The worker has ended normally. */
  | { readonly type: "ended"; readonly isReusable: boolean };

const BARRIER_WAIT_MS = 10_000;

/** A running worker, as seen from within its thread. The worker receives a `Plan` and sends `Message`s. */
export class RoleWorker<Plan, Message> {
  readonly index: number;
  readonly plan: Plan;
  readonly memory: WorkerMemory;
  /** Becomes readable when the main thread has changed a word of the control block. */
  readonly wakeFd: number;
  /** Whether this thread uses the main thread's descriptor table. */
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

  /** Current command, one of COMMAND. */
  get command(): number {
    return Atomics.load(this.memory.control, CONTROL.command);
  }

  /** Returns this thread's descriptor for a main-thread socket in `kept`. */
  localDescriptor(fd: number): number {
    return this.borrowed.get(fd) ?? fd;
  }

  /**
   * Creates the error to throw when the transport cannot be opened.
   * @param error a negative errno
   */
  cannotBegin(error: number): AppError {
    return startError(this.index, -error);
  }

  send(message: Message): void {
    post({ type: "role", message });
  }
}

/**
 * Runs workers of a role in this thread, one at a time. The call must be the last statement of a worker's module.
 *
 * @param prepare asynchronous work to finish before a worker begins
 */
export async function runWorkers<Plan, Message>(
  role: (worker: RoleWorker<Plan, Message>) => void,
  prepare: (plan: Plan) => Promise<void>,
): Promise<void> {
  const thread = new RunningThread(workerData as ThreadStart);
  await thread.begin();
  parentPort!.on("message", async (start: WorkerStart<Plan> | undefined) => {
    if (start === undefined) {
      parentPort!.close();
      return;
    }
    await prepare(start.plan);
    post({ type: "ended", isReusable: thread.run(start, role) });
  });
}

/** The part of a thread's state that outlives its workers. */
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

  /** Tells the main thread which descriptors this thread will leave behind in the shared table when it ends. */
  async begin(): Promise<void> {
    this.loop = await findLoopDescriptors();
    this.shared.loopDescriptors = this.loop;
  }

  /** @returns whether the thread can be reused */
  run<Plan, Message>(start: WorkerStart<Plan>, role: (worker: RoleWorker<Plan, Message>) => void): boolean {
    const borrowed = this.hasRun && !this.sharesTable ? borrow(start) : new Map<number, number>();
    if (!this.hasRun && !this.sharesTable) this.takeOwnTable(start.kept);
    this.hasRun = true;
    // Discard wake-ups meant for an earlier worker.
    drain(this.wakeFd);
    const before = this.sharesTable ? undefined : countOpenDescriptors();
    const worker = new RoleWorker<Plan, Message>(start, this, borrowed);
    role(worker);
    // An aborted worker leaves its connections open; the kernel closes them when the thread has ended.
    if (worker.command === COMMAND.abort) return false;
    const ownKept = this.sharesTable ? 0 : start.kept.length;
    return before === undefined || countOpenDescriptors() === before - ownKept;
  }

  /**
   * Gives this thread a private descriptor table. RLIMIT_NOFILE then applies to this table separately, and other
   * threads do not lock it. Containers may forbid this; all workers then share one table, and the main thread is told.
   */
  private takeOwnTable(kept: readonly number[]): void {
    const { words } = this.shared;
    // The main thread must block during the copy. If the main thread were spawning a process, our copy of the pipe that
    // reports exec would make it wait forever. If the main thread closed a descriptor before we close our copy, the
    // file would stay open, and a listening socket would keep listening.
    Atomics.store(words, THREAD.barrier, BARRIER.requested);
    post({ type: "barrier" });
    Atomics.wait(words, THREAD.barrier, BARRIER.requested, BARRIER_WAIT_MS);
    // The main thread did not respond in time, so keep it from blocking later to no purpose.
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
      if (own < 0) throw startError(index, -own);
      return [fd, own];
    }),
  );
}

/**
 * Returns descriptors of other threads' event loops, which would take up space in the tables of all later threads. The
 * main thread is blocked meanwhile, so none of these descriptors can be closed, nor its number reused.
 */
function descriptorsOf(threads: ThreadStart["others"]): number[] {
  return threads.flatMap(({ words, wakeFd }) => {
    const { loopDescriptors } = new ThreadWords(words);
    // The main thread has already closed the descriptors of threads that have ended.
    return loopDescriptors.length > 0 ? [...loopDescriptors, wakeFd] : [];
  });
}

/**
 * Closes copies of descriptors that this thread does not need. The copies take up space, and would keep files open
 * after their owners have closed them.
 */
function closeCopies(foreign: readonly number[], kept: readonly number[]): void {
  for (const { fd, target } of listDescriptors()) {
    const isOfOthers = target.startsWith("socket:") || (target.startsWith("/") && !target.startsWith("/dev/"));
    // Keep other pipes, because one of them wakes the main thread's loop.
    if (fd > 2 && (isOfOthers || foreign.includes(fd)) && !kept.includes(fd)) closeFd(fd);
  }
}
