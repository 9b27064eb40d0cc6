// Connects signals to a run: the first SIGINT, SIGTERM or SIGHUP stops it gracefully, a later one ends it at once.
import { isOfEvent } from "../output/terminal/output.js";
import { onParentGone } from "./parent.js";
import { EXIT_CODES, onStopSignals, type StopSignal } from "./signals.js";

export type { StopSignal } from "./signals.js";

interface Run<Result> {
  readonly done: Promise<Result>;
  stop(signal: StopSignal): Promise<Result>;
  abort(): void;
}

/** Maximum time for the threads to notice an abort. */
const ABORT_MS = 100;

/** Thrown to make the program exit at once because of a signal, or because nothing reads its output. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(cause: keyof typeof EXIT_CODES) {
    super(`stopped by ${cause}`);
    this.name = "Interrupted";
    this.exitCode = EXIT_CODES[cause];
  }
}

/**
 * Waits for a run to end and forwards signals to it.
 *
 * @param stopped called with the signal that stops the run
 * @throws {Interrupted} after a second signal at least half a second later, or when nothing reads the output any more
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
  // Node's own handling would wait for threads that are blocked in the kernel.
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
    // Keep the listeners until the caller has printed the result, so that a signal cannot prevent it.
    setImmediate(forgetSignals);
    return result as Result;
  } catch (error) {
    forgetSignals();
    throw ending ?? error;
  } finally {
    forgetErrors();
  }
}
