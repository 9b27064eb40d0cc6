// Lets an AbortSignal stop a run of either role.
import type { RunHandle } from "./handle.js";

/**
 * Stops `run` when `signal` is or becomes aborted. The listener is removed when the run ends.
 */
export function stopOnAbort(run: Pick<RunHandle<unknown, unknown>, "done" | "stop">, signal?: AbortSignal): void {
  if (!signal) return;
  const stop = () => void run.stop().catch(() => undefined);
  if (signal.aborted) stop();
  signal.addEventListener("abort", stop, { once: true });
  const forget = () => signal.removeEventListener("abort", stop);
  run.done.then(forget, forget);
}
