// The client's door: checks what is asked, finds where it goes, and starts the run.
import { stopOnAbort } from "../engine/stopping.js";
import { type ConnectOptions, settleOptions } from "./options.js";
import { ConnectRun } from "./run.js";
import { findTargets } from "./targets.js";

/**
 * Opens TCP connections, holds them, and says what happened.
 *
 * @returns a run at work: `await run.done` for its result, `run.stop()` to end it, `for await (const snapshot of run)`
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE, E_NO_SOURCE or E_AUTHORIZED before anything is opened
 */
export async function connect(options: ConnectOptions): Promise<ConnectRun> {
  const settings = settleOptions(options);
  const run = new ConnectRun(settings, await findTargets(settings));
  stopOnAbort(run, options.signal);
  return run;
}
