// Yields snapshots at regular intervals, for use with `for await`.
import { setTimeout as delay } from "node:timers/promises";

/** Yields `read()` every `intervalMs` until `done` settles, and once more at the end. */
export async function* sample<T>(read: () => T, intervalMs: number, done: Promise<unknown>): AsyncGenerator<T> {
  const ending = new AbortController();
  const ended = done.then(
    () => ending.abort(),
    () => ending.abort(),
  );
  while (!ending.signal.aborted) {
    yield read();
    await delay(intervalMs, undefined, { signal: ending.signal }).catch(() => ended);
  }
  yield read();
}
