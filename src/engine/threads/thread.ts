// A thread that runs workers, one after the other, seen from the main thread. One that has ended its worker in order is kept
// for the next run: koffi leaves address space and three mappings behind for every thread that ends.
import { Worker } from "node:worker_threads";
import { canBorrowDescriptors } from "../../linux/syscalls/borrowed-descriptors.js";
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { closeFd } from "../../linux/syscalls/socket.js";
import { AppError } from "../../util/errors.js";
import { hostFault } from "../../util/host-fault.js";
import type { ThreadMessage, ThreadStart, WorkerStart } from "../worker.js";
import { assertAddressSpace } from "./address-space.js";
import { BARRIER, THREAD, ThreadWords } from "./thread-words.js";

// A worker's heap holds no connection: they live in typed arrays outside of it.
const HEAP = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };
// The thread passes within a millisecond, and some 10 µs more for each descriptor of this process, unless it is not scheduled.
const BARRIER_WAIT_MS = 1000;
/** An idle thread costs some 5 MB: enough of them for a dozen runs at once, each with a server and a client. */
const MAX_IDLE = 48;

/** Threads of one kind can run each other's workers. */
export interface ThreadKind {
  /** The module that the thread runs: it ends with runWorkers(). */
  readonly module: URL;
  /** The thread uses the main thread's descriptor table. */
  readonly sharesTable: boolean;
}

export interface WorkerEvents {
  readonly onMessage: (message: unknown) => void;
  /** The thread died of an error; the worker's connections are gone. */
  readonly onFault: (error: AppError) => void;
}

const living = new Set<WorkerThread>();
const idle: WorkerThread[] = [];

export class WorkerThread {
  readonly wakeFd: number;
  readonly kind: ThreadKind;
  private readonly shared = new ThreadWords();
  private readonly worker: Worker;
  private events: WorkerEvents | undefined;
  private endWorker: (() => void) | undefined;

  /**
   * An idle thread of this kind, or a new one.
   *
   * @param keeps whether the worker needs descriptors of the main thread
   * @throws {AppError} E_WORKER or E_SYSTEM when no thread, or no descriptor for its wake-up, is to be had
   */
  static take(kind: ThreadKind, keeps: boolean): WorkerThread {
    const isFit = (thread: WorkerThread) =>
      thread.kind.module.href === kind.module.href && thread.kind.sharesTable === kind.sharesTable;
    // A thread with a table of its own has to fetch what was opened since it copied the table.
    const canReuse = !keeps || kind.sharesTable || canBorrowDescriptors();
    const index = canReuse ? idle.findLastIndex(isFit) : -1;
    return index >= 0 ? idle.splice(index, 1)[0]! : new WorkerThread(kind);
  }

  private constructor(kind: ThreadKind) {
    assertAddressSpace();
    this.kind = kind;
    this.wakeFd = openEventfd();
    const others = [...living].map(({ shared, wakeFd }) => ({ words: shared.buffer, wakeFd }));
    const start: ThreadStart = {
      words: this.shared.buffer,
      wakeFd: this.wakeFd,
      sharesTable: kind.sharesTable,
      others,
    };
    try {
      this.worker = new Worker(kind.module, { workerData: start, resourceLimits: HEAP, execArgv: [] });
    } catch (cause) {
      closeFd(this.wakeFd);
      throw toFault(cause);
    }
    living.add(this);
    this.worker.on("message", (message: ThreadMessage) => this.onMessage(message));
    this.worker.once("error", (cause) => {
      this.events?.onFault(toFault(cause));
      // A thread that could not be made is not told of by "exit".
      this.end();
    });
    this.worker.once("exit", () => this.end());
  }

  /** Whether it has a descriptor table, and so a limit of open files, of its own. */
  get hasPrivateTable(): boolean {
    return !this.shared.isTableShared;
  }

  /** Runs a worker. @returns a promise that resolves when the worker has ended */
  run<Plan>(start: WorkerStart<Plan>, events: WorkerEvents): Promise<void> {
    this.events = events;
    this.worker.ref();
    this.worker.postMessage(start);
    return new Promise((resolve) => {
      this.endWorker = resolve;
    });
  }

  private onMessage(message: ThreadMessage): void {
    if (message.type === "barrier") this.letPass();
    else if (message.type === "role") this.events?.onMessage(message.message);
    else if (message.isReusable && idle.length < MAX_IDLE) {
      // An idle thread keeps no process alive.
      this.worker.unref();
      idle.push(this);
      this.leaveWorker();
    } else this.worker.postMessage(undefined);
  }

  /** Stands still while the thread copies the descriptor table and closes what is not its own. */
  private letPass(): void {
    const { words } = this.shared;
    // One that has waited too long has gone on without us.
    if (Atomics.compareExchange(words, THREAD.barrier, BARRIER.requested, BARRIER.open) !== BARRIER.requested) return;
    Atomics.notify(words, THREAD.barrier);
    Atomics.wait(words, THREAD.barrier, BARRIER.open, BARRIER_WAIT_MS);
  }

  private end(): void {
    if (!living.delete(this)) return;
    const index = idle.indexOf(this);
    if (index >= 0) idle.splice(index, 1);
    closeFd(this.wakeFd);
    // A thread that has unshared its table closes its event loop's descriptors only there.
    if (this.hasPrivateTable) for (const fd of this.shared.loopDescriptors) closeFd(fd);
    this.leaveWorker();
  }

  private leaveWorker(): void {
    this.events = undefined;
    const endWorker = this.endWorker;
    this.endWorker = undefined;
    endWorker?.();
  }
}

function toFault(cause: unknown): AppError {
  // By its marks, not by its class: an error that comes from a thread is a copy.
  if (cause instanceof Error && "fix" in cause && "code" in cause) return cause as AppError;
  const message = cause instanceof Error ? cause.message : String(cause);
  const fault = hostFault(cause);
  if (fault) return new AppError("E_WORKER", fault.message, { fix: fault.fix!, cause });
  return new AppError("E_WORKER", `a thread ended early: ${message}`, {
    fix: "this is a bug in fourtuple; please report it with this message",
    cause,
  });
}
