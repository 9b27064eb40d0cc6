// The debug trace of a run, by area: FOURTUPLE_DEBUG=plan,run. While the trace is off, a call costs one comparison,
// and messages are not formatted. Workers do not trace, because their loops are performance-critical.

/**
 * Environment variable, and the areas it may list. "all", or any value that lists no known area, enables all of them.
 */
export const DEBUG = "FOURTUPLE_DEBUG";
export const AREAS = ["plan", "transport", "run", "diagnosis", "programs"] as const;

export type Area = (typeof AREAS)[number];

let write: ((line: string) => void) | undefined;
let traced: readonly Area[] = [];

/**
 * Enables the trace if the variable is set.
 *
 * @param door receives each line; the command line writes it to standard error
 */
export function startTrace(door: (line: string) => void, asked = process.env[DEBUG]): void {
  if (!asked) return;
  const named = asked.split(",").map((name) => name.trim());
  const known = AREAS.filter((area) => named.includes(area));
  traced = known.length > 0 ? known : AREAS;
  write = door;
}

/** Writes a message with the time since process start, if the area is traced. */
export function trace(area: Area, message: () => string): void {
  if (write === undefined || !traced.includes(area)) return;
  write(`[${area} +${(performance.now() / 1000).toFixed(3)} s] ${message()}`);
}
