// Makes a thread reject what handlers cannot use: timers and promises, which do not run while connections are open, and
// process.exit(), which would end only the thread.
import { syncBuiltinESMExports } from "node:module";
import timers from "node:timers";
import { promiseHooks } from "node:v8";
import { parentPort } from "node:worker_threads";
import { CALL } from "./host.js";

type Callable = (...args: unknown[]) => unknown;
type Callables = Record<string, Callable>;

const TIMERS = ["setTimeout", "setInterval", "setImmediate"] as const;
const LATER: readonly (readonly [owner: object, names: readonly string[]])[] = [
  [globalThis, [...TIMERS, "queueMicrotask", "fetch"]],
  [timers, TIMERS],
  [process, ["nextTick"]],
];
/** Line of a stack trace with the caller of a guarded function. */
const CALLER_LINE = 2;

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
  for (const [owner, names] of LATER) {
    for (const name of names) {
      forbid(owner as Callables, name, isRunning, "it would not run while connections are open");
    }
  }
  forbid(process as unknown as Callables, "exit", isRunning, "call c.close() or c.refused()");
  if (parentPort) {
    forbid(parentPort as unknown as Callables, "close", isRunning, "call c.close() to end a connection");
  }
  // Named imports of node:timers are copies.
  syncBuiltinESMExports();
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

function forbid(owner: Callables, name: string, isRunning: () => boolean, reason: string): void {
  const original = owner[name]!;
  const prefix =
    owner === (process as object) ? "process." : owner === (parentPort as object | null) ? "parentPort." : "";
  const label = `${prefix}${name}()`;
  const guarded = (...args: unknown[]) => {
    if (isRunning()) {
      const error = new Error(`${label} in a handler: ${reason}`);
      // Node.js itself calls process.nextTick(), for example to print a warning.
      if (name !== "nextTick" || !isFromNode(error)) throw error;
    }
    return original.apply(owner, args);
  };
  // Keep the functions' own properties, such as setTimeout's util.promisify.custom.
  owner[name] = Object.defineProperties(guarded, Object.getOwnPropertyDescriptors(original));
}

function isFromNode(error: Error): boolean {
  return /^ +at (?:.*\()?node:/.test(error.stack?.split("\n")[CALLER_LINE] ?? "");
}
