// From signals to a run's end: the first Ctrl-C or SIGTERM stops it in order, the second ends it at once.
import { onParentGone } from "./parent.js";

interface Run<Result> {
  readonly done: Promise<Result>;
  stop(signal: StopSignal): Promise<Result>;
  abort(): void;
}

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGPIPE: 0 } as const;
type Cause = keyof typeof EXIT_CODES;
export type StopSignal = Exclude<Cause, "SIGPIPE">;
/** Until the threads have seen that they are to end; longer is not waited. */
const ABORT_MS = 100;

/** A signal ended the run before it was done, or nobody reads what is printed: how the program ends, at once. */
export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(cause: Cause) {
    super(`ended by ${cause}`);
    this.name = "Interrupted";
    this.exitCode = EXIT_CODES[cause];
  }
}

/**
 * Waits for a run's end and passes signals on to it.
 *
 * @throws {Interrupted} after a second signal, or when nobody reads what is printed any more
 */
export async function supervise<Result>(run: Run<Result>): Promise<Result> {
  let isStopping = false;
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
  const onSignal = (signal: StopSignal) => {
    if (isStopping) return abort(new Interrupted(signal));
    isStopping = true;
    run.stop(signal).catch(() => undefined);
  };
  const onParentEnd = () => onSignal("SIGTERM");
  const onOutputError = () => abort(new Interrupted("SIGPIPE"));
  // Leaving it to Node would wait for threads that wait for the kernel.
  const onUncaught = (error: Error) => abort(error);
  const forgetParent = onParentGone(onParentEnd);
  process.on("SIGINT", onSignal).on("SIGTERM", onSignal).on("uncaughtException", onUncaught);
  process.stdout.on("error", onOutputError);
  const forgetErrors = () => {
    process.off("uncaughtException", onUncaught);
    process.stdout.off("error", onOutputError);
  };
  const forgetSignals = () => {
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
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
