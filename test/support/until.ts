// Waits for a condition. All tests wait through this function, which reports the last value seen if the condition never
// holds.
import { setTimeout as delay } from "node:timers/promises";
import { inspect } from "node:util";

const POLL_MS = 10;
/** This is much longer than any event takes, even on a busy host, so that only a missing event exceeds it. */
export const DEADLINE_MS = 25_000;

/**
 * Reads a value until it is accepted.
 *
 * @param what description of the condition for the error message
 * @returns the accepted value
 * @throws {Error} with the last value seen if the deadline passes first
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

/** Returns the promise's value, or throws an error that names what did not happen in time. */
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
