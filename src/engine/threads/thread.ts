// A thread that runs workers one at a time, as seen from the main thread. A thread whose worker ended normally is kept
// for the next run, because koffi leaks address space and three mappings for every thread that ends.
import type { Worker } from "node:worker_threads";
import { canBorrowDescriptors } from "../../linux/syscalls/borrowed-descriptors.js";
import { openEventfd } from "../../linux/syscalls/eventfd.js";
import { closeFd } from "../../linux/syscalls/socket.js";
import { AppError } from "../../util/errors.js";
import { hostFault } from "../../util/host-fault.js";
import type { Entry } from "../../util/program/entries.js";
import { startThread } from "../../util/program/files.js";
import type { ThreadMessage, ThreadStart, WorkerStart } from "../worker.js";
import { assertAddressSpace } from "./address-space.js";
import { ThreadWords } from "./thread-words.js";

// The heap holds no connection state, which is in typed arrays outside it.
const HEAP = { maxOldGenerationSizeMb: 24, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 };
/**
 * An idle thread costs about 5 MB. This many idle threads suffice for a dozen concurrent runs, each with a server and
 * a client.
 */
const MAX_IDLE = 48;

/** The kind of a thread. Threads of the same kind are interchangeable. */
export interface ThreadKind {
  /** Module that the thread runs; its last statement must be runWorkers(). */
  readonly entry: Entry;
  /** Whether the thread uses the main thread's descriptor table. */
  readonly sharesTable: boolean;
}

export interface WorkerEvents {
  readonly onMessage: (message: unknown) => void;
  /** Called when the thread terminates with an error. The worker's connections are lost. */
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
  /** Whether the current worker, if any, has yet to end. */
  private isRunning = false;

  /**
   * Returns an idle thread of this kind, or starts one.
   *
   * @param keeps whether the worker needs descriptors of the main thread
   * @throws {AppError} E_WORKER or E_SYSTEM if no thread can be started or no descriptor is left for its wake-up
   */
  static take(kind: ThreadKind, keeps: boolean): WorkerThread {
    const isFit = (thread: WorkerThread) =>
      thread.kind.entry === kind.entry && thread.kind.sharesTable === kind.sharesTable;
    // A thread with a private table must fetch descriptors that were opened after it copied the table.
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
      this.worker = startThread(kind.entry, { workerData: start, resourceLimits: HEAP });
    } catch (cause) {
      closeFd(this.wakeFd);
      throw toFault(cause);
    }
    living.add(this);
    this.worker.on("message", (message: ThreadMessage) => this.onMessage(message));
    this.worker.once("error", (cause) => {
      this.fail(toFault(cause));
      // "exit" is not emitted for a thread that could not be created.
      this.end();
    });
    this.worker.once("exit", (code) => {
      this.fail(endedEarly(code));
      this.end();
    });
  }

  /** Whether the thread has a private descriptor table, and thus its own limit of open files. */
  get hasPrivateTable(): boolean {
    return !this.shared.isTableShared;
  }

  /** See Worker.threadId. */
  get id(): number {
    return this.worker.threadId;
  }

  /**
   * Runs a worker.
   * @returns a promise that resolves when the worker has ended
   */
  run<Plan>(start: WorkerStart<Plan>, events: WorkerEvents): Promise<void> {
    this.events = events;
    this.isRunning = true;
    this.worker.ref();
    this.worker.postMessage(start);
    return new Promise((resolve) => {
      this.endWorker = resolve;
    });
  }

  /**
   * Terminates the thread whatever it is doing.
   * @param fault passed to `onFault`
   */
  terminate(fault: AppError): void {
    this.fail(fault);
    void this.worker.terminate();
  }

  /** Reports why the worker will never end normally. Nothing that follows from it is reported. */
  private fail(fault: AppError): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    this.events?.onFault(fault);
  }

  private onMessage(message: ThreadMessage): void {
    if (message.type === "barrier") this.shared.letPass();
    else if (message.type === "role") this.events?.onMessage(message.message);
    else this.leave(message.isReusable);
  }

  /** Called when the worker has ended normally. */
  private leave(isReusable: boolean): void {
    if (!this.isRunning) return;
    this.isRunning = false;
    if (isReusable && idle.length < MAX_IDLE) {
      // An idle thread must not keep the process alive.
      this.worker.unref();
      idle.push(this);
      this.leaveWorker();
    } else this.worker.postMessage(undefined);
  }

  private end(): void {
    if (!living.delete(this)) return;
    const index = idle.indexOf(this);
    if (index >= 0) idle.splice(index, 1);
    closeFd(this.wakeFd);
    // A thread that has unshared its table closes its event loop's descriptors only in that table.
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

function endedEarly(code: number): AppError {
  return new AppError("E_WORKER", `a thread exited early, with code ${code}`, {
    fix: "this is a bug in fourtuple; please report it with this message",
    facts: { exitCode: code },
  });
}

function toFault(cause: unknown): AppError {
  // Check the properties rather than the class, because an error received from a thread is a copy.
  if (cause instanceof Error && "fix" in cause && "code" in cause) return cause as AppError;
  const message = cause instanceof Error ? cause.message : String(cause);
  const fault = hostFault(cause);
  if (fault) return new AppError("E_WORKER", fault.message, { fix: fault.fix!, cause });
  return new AppError("E_WORKER", `a thread stopped early: ${message}`, {
    fix: "this is a bug in fourtuple; please report it with this message",
    cause,
  });
}
