// Signals that mean an end, and those that must not. Imported before anything else: SIGUSR1 would open Node's debugger, on a port
// that every local user can reach, in a process that may be root's.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** Exit codes as shells give them for a program that a signal ended; nobody is told of a broken pipe. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGPIPE: 0 } as const;
export type StopSignal = Exclude<keyof typeof EXIT_CODES, "SIGPIPE">;

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/** `timeout -s INT` signals its child and then the group, a terminal and a shell both pass a Ctrl-C on: one request. */
const ONE_REQUEST_MS = 500;
const SIGHUP_BIT = 1n;

process.on("SIGUSR1", () => undefined);
closeDebugger();
// One that was asked for before this line opens in the next moments.
setImmediate(closeDebugger);
const ignoresHangUp = wasHangUpIgnored();
if (ignoresHangUp) process.on("SIGHUP", () => undefined);

/**
 * Listens for the signals that ask for an end: SIGINT, SIGTERM, and SIGHUP unless it was ignored when this process started.
 *
 * @param stop told of the first
 * @param again told of each that comes half a second or more after the first
 * @returns a function that forgets both
 */
export function onStopSignals(stop: (signal: StopSignal) => void, again: (signal: StopSignal) => void): () => void {
  let request: "none" | "under way" | "over" = "none";
  let isForgotten = false;
  const forget = (): void => {
    for (const signal of signals) process.off(signal, listen);
  };
  const end = (): void => {
    request = "over";
    if (isForgotten) forget();
  };
  const listen = (signal: StopSignal): void => {
    if (request === "none") {
      request = "under way";
      // After the signals that came while this process stood still: they were sent in time.
      setTimeout(() => setImmediate(end), ONE_REQUEST_MS).unref();
      stop(signal);
    } else if (request === "over") again(signal);
  };
  const signals = STOP_SIGNALS.filter((signal) => signal !== "SIGHUP" || !ignoresHangUp);
  for (const signal of signals) process.on(signal, listen);
  return () => {
    isForgotten = true;
    // The rest of a request may still come: a program that ends in order is not ended by it.
    if (request !== "under way") forget();
  };
}

/** Closes a debugger that a signal has opened; one that was asked for by an option stays. */
function closeDebugger(): void {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ");
  if (options.includes("--inspect")) return;
  const inspector = process.getBuiltinModule?.("node:inspector");
  if (inspector?.url() !== undefined) inspector.close();
}

/**
 * Whether whoever started this process had SIGHUP ignored, as nohup does. Node sets every signal back to its default before a
 * line of ours runs, and /proc/self/status no longer tells: the launcher has looked before, and else there are traces.
 */
function wasHangUpIgnored(): boolean {
  const { FOURTUPLE_SIGIGN: told, _: started } = process.env;
  if (told !== undefined) return isHangUpIn(told);
  // bash names the program that it started, which nohup passes on.
  return basename(started ?? "") === "nohup" || isIgnoredBy("self") || isIgnoredBy(`${process.ppid}`);
}

function isIgnoredBy(pid: string): boolean {
  try {
    const [, mask] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return mask !== undefined && isHangUpIn(mask);
  } catch {
    // No /proc: then a hang-up is an ordinary end.
    return false;
  }
}

function isHangUpIn(mask: string): boolean {
  return /^[0-9a-f]{1,16}$/i.test(mask) && (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n;
}
