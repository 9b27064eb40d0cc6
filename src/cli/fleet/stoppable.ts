// Lets a signal end a run of a fleet before its start, while the coordinator waits for agents or prepares them: these
// are told, rather than left to find out.
import { EXIT_CODES, onStopSignals, type StopSignal } from "../signals.js";
import { Interrupted } from "../supervise.js";

/**
 * @param start starts a run, or rejects when its signal is aborted
 * @throws {Interrupted} after a signal; the errors of `start`
 */
export async function startStoppable<Run>(start: (signal: AbortSignal) => Promise<Run>): Promise<Run> {
  const stopping = new AbortController();
  let stoppedBy: StopSignal | undefined;
  const forget = onStopSignals(
    (signal) => {
      stoppedBy = signal;
      stopping.abort();
    },
    (signal) => process.exit(EXIT_CODES[signal]),
  );
  try {
    return await start(stopping.signal);
  } catch (error) {
    throw stoppedBy ? new Interrupted(stoppedBy) : error;
  } finally {
    forget();
  }
}
