// Watches a script's handlers from the main thread: passes on the first error, and terminates a worker whose handler
// does not return. The watch counts its own ticks instead of elapsed time, so that a suspended process is not
// mistaken for a handler in an endless loop.
import { basename } from "node:path";
import { placeWords } from "../../protocols/scripted/file/load-failure.js";
import { placeInThread } from "../../protocols/scripted/file/thread-place.js";
import { CALL, HANDLERS } from "../../protocols/scripted/host.js";
import { AppError } from "../../util/errors.js";
import { CONTROL, type WorkerMemory } from "../worker-memory.js";
import type { ScriptRun } from "./run.js";

const TICK_MS = 100;
/** Maximum duration of a single call in ticks: about a second. */
const MOST_TICKS = 10;

interface Watched {
  readonly memories: readonly WorkerMemory[];
  /** Returns the id of a worker's thread. */
  threadOf(worker: number): number;
  /** Terminates a worker's thread. */
  terminate(worker: number, fault: AppError): void;
}

interface Seen {
  count: number;
  ticks: number;
}

export class HandlerWatch {
  private readonly pool: Watched;
  private readonly script: ScriptRun;
  private readonly onError: (text: string) => void;
  private readonly timer: NodeJS.Timeout;
  private readonly seen: Seen[] = [];
  private hasError = false;

  /** @param onError called with the text of the first error */
  constructor(pool: Watched, script: ScriptRun, onError: (text: string) => void) {
    this.pool = pool;
    this.script = script;
    this.onError = onError;
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** Stops watching. Passes on an error that has not been reported yet. */
  end(): void {
    clearInterval(this.timer);
    this.passOnError();
  }

  private tick(): void {
    this.passOnError();
    this.pool.memories.forEach(({ control }, worker) => {
      const handler = Atomics.load(control, CONTROL.call + CALL.handler);
      const count = Atomics.load(control, CONTROL.call + CALL.count);
      this.seen[worker] ??= { count: 0, ticks: 0 };
      const seen = this.seen[worker];
      seen.ticks = handler !== 0 && seen.count === count ? seen.ticks + 1 : 0;
      seen.count = count;
      if (seen.ticks === MOST_TICKS) void this.terminate(worker, handler);
    });
  }

  private passOnError(): void {
    const { error } = this.script;
    if (this.hasError || error === undefined) return;
    this.hasError = true;
    this.onError(error);
  }

  private async terminate(worker: number, handler: number): Promise<void> {
    const { file } = this.script.spec;
    const where = placeWords(await placeInThread(this.pool.threadOf(worker)), file);
    const problem = `${HANDLERS[handler - 1]}() in ${basename(file)} has not returned for a second${where}`;
    const fault = new AppError("E_WORKER", problem, { fix: "find the loop in it; handlers must return at once" });
    this.pool.terminate(worker, fault);
  }
}
