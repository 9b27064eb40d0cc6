// The client's door: checks what is asked, finds where it goes, and starts the run.
import { canUnshareTables } from "../engine/private-tables.js";
import { stopOnAbort } from "../engine/stopping.js";
import { countOpenDescriptors } from "../linux/proc/procfs.js";
import { canOpenFileTable } from "../linux/syscalls/registered-files.js";
import { raiseNofileLimit } from "../linux/syscalls/rlimit.js";
import { type ConnectOptions, type ConnectSettings, settleOptions } from "./options.js";
import { ConnectRun, type TablesAllowed } from "./run.js";
import { findTargets } from "./targets.js";

/**
 * Opens TCP connections, holds them, and says what happened.
 *
 * @returns a run at work: `await run.done` for its result, `run.stop()` to end it, `for await (const snapshot of run)`
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_SOURCE, E_NO_SOURCE or E_AUTHORIZED before anything is opened
 */
export async function connect(options: ConnectOptions): Promise<ConnectRun> {
  const settings = settleOptions(options);
  const run = new ConnectRun(settings, await findTargets(settings), await findTables(settings));
  stopOnAbort(run, options.signal);
  return run;
}

async function findTables({ connections, oneTable }: ConnectSettings): Promise<TablesAllowed> {
  if (oneTable) return "one";
  // With file tables to park connections in, no thread's descriptor table bounds what it can hold.
  if (canOpenFileTable()) return "unbounded";
  // A run that one table is enough for need not ask, which takes a thread.
  const isSmall = connections * 2 < raiseNofileLimit().soft - countOpenDescriptors();
  return isSmall || (await canUnshareTables()) ? "private" : "one";
}
