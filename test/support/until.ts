// Waiting for a condition: the only way in which tests wait. Says what was seen last when it never comes true.
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

const POLL_MS = 10;
/** Far more than anything takes: it tells what never comes from what comes late on a busy host. */
export const DEADLINE_MS = 25_000;

/**
 * Reads a value until it is accepted.
 *
 * @param what the condition in words, for the error
 * @returns the value that was accepted
 * @throws {Error} with the value last seen, when the deadline passes first
 */
export async function until<T>(
  what: string,
  read: () => T | Promise<T>,
  accepts: (value: T) => boolean = Boolean,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const endMs = performance.now() + deadlineMs;
  for (;;) {
    const seen = await read();
    if (accepts(seen)) return seen;
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}; last seen: ${inspect(seen)}`);
    await delay(POLL_MS);
  }
}

/** The promise's value, or an error that names what did not come in time. */
export async function within<T>(
  what: string | (() => string),
  promise: Promise<T>,
  deadlineMs = DEADLINE_MS,
): Promise<T> {
  const ending = new AbortController();
  const late = delay(deadlineMs, undefined, { signal: ending.signal }).then(() => {
    throw new Error(`not within ${deadlineMs} ms: ${typeof what === "string" ? what : what()}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ending.abort();
  }
}
