// Prints what handlers log, because a worker's own console passes text on to the main thread only once the worker's
// loop ends.
import { writeSync } from "node:fs";
import { format } from "node:util";
import { printableExcept } from "../../util/printable.js";

const STDERR = 2;
const METHODS = ["log", "info", "debug", "warn", "error"] as const;

/** Makes this thread's console write to standard error at once, because standard output is for the run's result. */
export function logAtOnce(): void {
  for (const name of METHODS) {
    console[name] = (...values: unknown[]) => {
      const text = printableExcept(format(...values), (character) => character === "\n" || character === "\t");
      try {
        writeSync(STDERR, `${text}\n`);
      } catch {
        // Nobody reads standard error, or its reader is slower than the handlers.
      }
    };
  }
}
