// Makes a thread reject what handlers cannot use: timers and promises, which do not run while connections are open, and
// process.exit(), which would end only the thread.
import { promiseHooks } from "node:v8";
import { CALL } from "./host.js";

const LATER = ["setTimeout", "setInterval", "setImmediate", "queueMicrotask", "fetch"] as const;

type Callable = (...args: unknown[]) => unknown;

/**
 * What the running handler has created although it must not. This is recorded, because a hook must not throw.
 */
let promised: Error | undefined;
let isForbidden = false;

/**
 * Applies the restrictions to this thread from now on.
 * @param calls the words in which HandlerCalls records the running handler
 */
export function forbidInHandlers(calls: Int32Array): void {
  if (isForbidden) return;
  isForbidden = true;
  const isRunning = () => calls[CALL.handler] !== 0;
  for (const name of LATER) {
    forbid(
      globalThis as unknown as Record<string, Callable>,
      name,
      isRunning,
      "it would not run while connections are open",
    );
  }
  forbid(process as unknown as Record<string, Callable>, "exit", isRunning, "call c.close() or c.refused()");
  promiseHooks.onInit(() => {
    if (isRunning()) promised ??= new Error("a promise in a handler: it would not settle while connections are open");
  });
}

/** Returns an error if the handler that has just returned has created a promise. */
export function takePromise(): Error | undefined {
  const error = promised;
  if (error !== undefined) promised = undefined;
  return error;
}

function forbid(owner: Record<string, Callable>, name: string, isRunning: () => boolean, reason: string): void {
  const original = owner[name]!;
  const label = owner === (process as object) ? `process.${name}()` : `${name}()`;
  const guarded = (...args: unknown[]) => {
    if (isRunning()) throw new Error(`${label} in a handler: ${reason}`);
    return original.apply(owner, args);
  };
  // Keep the functions' own properties, such as setTimeout's util.promisify.custom.
  owner[name] = Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(original));
}
