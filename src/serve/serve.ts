// The server's door: checks what is asked, binds, and starts the run.
import { openListener } from "./listener.js";
import { type ServeOptions, settleOptions } from "./options.js";
import { ServeRun } from "./run.js";

/**
 * Listens on one port and holds whatever connects.
 *
 * @returns a server that accepts: `server.address`, `server.stop()`, `for await (const snapshot of server)`
 * @throws {AppError} E_OPTION, E_ADDRESS, E_RESOLVE, E_PORT_IN_USE, E_PERMISSION or E_LISTEN
 */
export async function serve(options: ServeOptions): Promise<ServeRun> {
  const settings = settleOptions(options);
  const run = new ServeRun(settings, await openListener(settings.at, settings.backlog));
  const { signal } = options;
  if (signal?.aborted) run.stop().catch(() => undefined);
  const stop = () => void run.stop().catch(() => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  const forget = () => signal?.removeEventListener("abort", stop);
  run.done.then(forget, forget);
  await run.ready;
  return run;
}
