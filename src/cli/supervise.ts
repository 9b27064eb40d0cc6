// From signals to a run's end: the first Ctrl-C, SIGTERM or hang-up stops it in order, a later one ends it at once.
import { isOfEvent } from "../output/terminal/output.js";
import { onParentGone } from "./parent.js";
import { EXIT_CODES, onStopSignals, type StopSignal } from "./signals.js";

export type { StopSignal } from "./signals.js";

interface Run<Result> {
  readonly done: Promise<Result>;
  stop(signal: StopSignal): Promise<Result>;
  abort(): void;
}

/** Until the threads have seen that they are to end; longer is not waited. */
const ABORT_MS = 100;

/** A signal ended the run before it was done, or nobody reads what is printed: how the program ends, at once. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(cause: keyof typeof EXIT_CODES) {
    super(`ended by ${cause}`);
    this.name = "Interrupted";
    this.exitCode = EXIT_CODES[cause];
  }
}

/**
 * Waits for a run's end and passes signals on to it.
 *
 * @param stopped told of the signal that stops the run
 * @throws {Interrupted} after another signal half a second later, or when nobody reads what is printed any more
 */
export async function supervise<Result>(run: Run<Result>, stopped?: (signal: StopSignal) => void): Promise<Result> {
  let ending: Error | undefined;
  let giveUp!: () => void;
  const givenUp = new Promise<void>((resolve) => {
    giveUp = resolve;
  });
  const abort = (reason: Error) => {
    ending ??= reason;
    run.abort();
    setTimeout(giveUp, ABORT_MS);
  };
  const stop = (signal: StopSignal) => {
    stopped?.(signal);
    run.stop(signal).catch(() => undefined);
  };
  const onOutputError = (error: Error) => {
    if (!isOfEvent(error)) abort(new Interrupted("SIGPIPE"));
  };
  // Leaving it to Node would wait for threads that wait for the kernel.
  const onUncaught = (error: Error) => abort(error);
  const forgetStops = onStopSignals(stop, (signal) => abort(new Interrupted(signal)));
  const forgetParent = onParentGone(() => stop("SIGTERM"));
  process.on("uncaughtException", onUncaught);
  process.stdout.on("error", onOutputError);
  const forgetErrors = () => {
    process.off("uncaughtException", onUncaught);
    process.stdout.off("error", onOutputError);
  };
  const forgetSignals = () => {
    forgetStops();
    forgetParent();
  };
  try {
    const result = await Promise.race([run.done, givenUp]);
    if (ending) throw ending;
    // Not before the caller has printed the result: a signal in this moment is not to take it away.
    setImmediate(forgetSignals);
    return result as Result;
  } catch (error) {
    forgetSignals();
    throw ending ?? error;
  } finally {
    forgetErrors();
  }
}
