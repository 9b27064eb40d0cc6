// Stops a run before its start: when its caller says so, or `fourtuple fleet stop`.
import { AppError } from "../../util/errors.js";
import { type Bus, SUBJECTS } from "../bus.js";

export class EarlyStop {
  readonly #stopped: Promise<never>;
  readonly #forgets: (() => void)[] = [];
  #stop!: () => void;

  constructor(signal: AbortSignal | undefined) {
    this.#stopped = new Promise((_, reject) => {
      this.#stop = () => reject(new AppError("E_FLEET", "the run was stopped before it started"));
    });
    this.#stopped.catch(() => undefined);
    if (signal?.aborted) this.#stop();
    signal?.addEventListener("abort", this.#stop, { once: true });
    this.#forgets.push(() => signal?.removeEventListener("abort", this.#stop));
  }

  /** Lets `fourtuple fleet stop` end the run, which has an id now. */
  listen(bus: Bus, run: string): void {
    const unsubscribe = bus.subscribe(SUBJECTS.stop(run), (_, answer) => {
      answer?.({});
      this.#stop();
    });
    this.#forgets.push(unsubscribe);
  }

  /**
   * Waits for a step before the start.
   * @throws {AppError} E_FLEET as soon as the run is stopped; the errors of the step
   */
  async race<T>(step: Promise<T>): Promise<T> {
    step.catch(() => undefined);
    return Promise.race([this.#stopped, step]);
  }

  end(): void {
    for (const forget of this.#forgets) forget();
  }
}
