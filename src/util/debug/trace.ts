// A trace of what a run does, by area, for whoever looks for a mistake: FOURTUPLE_DEBUG=plan,run. Off, it costs a comparison; what would
// be said is put into words only when it is on. Workers do not trace: their loops count.

/** The variable, and the areas that it may name: with "all", or anything else that names none, all of them. */
export const DEBUG = "FOURTUPLE_DEBUG";
export const AREAS = ["plan", "transport", "run", "diagnosis", "programs"] as const;

export type Area = (typeof AREAS)[number];

let write: ((line: string) => void) | undefined;
let traced: readonly Area[] = [];

/**
 * Turns the trace on as the variable says; without it, nothing happens.
 *
 * @param door what a line goes to: the command line's is standard error
 */
export function startTrace(door: (line: string) => void, asked = process.env[DEBUG]): void {
  if (!asked) return;
  const named = asked.split(",").map((name) => name.trim());
  const known = AREAS.filter((area) => named.includes(area));
  traced = known.length > 0 ? known : AREAS;
  write = door;
}

/** Says something of an area, with the time since the process began, if that area is traced. */
export function trace(area: Area, say: () => string): void {
  if (write === undefined || !traced.includes(area)) return;
  write(`[${area} +${(performance.now() / 1000).toFixed(3)} s] ${say()}`);
}
