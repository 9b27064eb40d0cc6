// Handles stop signals, and disables SIGUSR1. Imported before anything else, because SIGUSR1 would open Node's debugger
// on a port that every local user can reach, possibly in a process that runs as root.
import { readFileSync } from "node:fs";
import { basename } from "node:path";

/** Exit codes that shells report for programs killed by a signal. A broken pipe is not reported as a failure. */
export const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129, SIGPIPE: 0 } as const;
export type StopSignal = Exclude<keyof typeof EXIT_CODES, "SIGPIPE">;

const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
/**
 * Signals within this time count as one request: `timeout -s INT` signals its child and then the group, and a terminal
 * and a shell may both deliver a Ctrl-C.
 */
const ONE_REQUEST_MS = 500;
const SIGHUP_BIT = 1n;

process.on("SIGUSR1", () => undefined);
closeDebugger();
// If the signal arrived before this line, the debugger opens shortly afterwards.
setImmediate(closeDebugger);
const ignoresHangUp = wasHangUpIgnored();
if (ignoresHangUp) process.on("SIGHUP", () => undefined);

/**
 * Listens for the stop signals SIGINT, SIGTERM, and SIGHUP unless it was ignored when this process started.
 *
 * @param stop called for the first signal
 * @param again called for each signal that arrives at least half a second after the first
 * @returns a function that removes both listeners
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
      // First handle the signals that arrived while this process was suspended: they belong to the same request.
      setTimeout(() => setImmediate(end), ONE_REQUEST_MS).unref();
      stop(signal);
    } else if (request === "over") again(signal);
  };
  const signals = STOP_SIGNALS.filter((signal) => signal !== "SIGHUP" || !ignoresHangUp);
  for (const signal of signals) process.on(signal, listen);
  return () => {
    isForgotten = true;
    // More signals of the same request may follow. Later signals must not kill a program that is already exiting
    // normally.
    if (request !== "under way") forget();
  };
}

/** Closes a debugger opened by a signal. A debugger requested by an option stays open. */
function closeDebugger(): void {
  const options = [...process.execArgv, process.env.NODE_OPTIONS ?? ""].join(" ");
  if (options.includes("--inspect")) return;
  const inspector = process.getBuiltinModule?.("node:inspector");
  if (inspector?.url() !== undefined) inspector.close();
}

/**
 * Returns whether SIGHUP was ignored when this process started, as under nohup. Node resets all signals to their
 * defaults before this code runs, so /proc/self/status no longer shows whether SIGHUP was ignored. This function uses
 * what the launcher recorded, or else what bash and the parent process reveal.
 */
function wasHangUpIgnored(): boolean {
  const { FOURTUPLE_SIGIGN: told, _: started } = process.env;
  if (told !== undefined) return isHangUpIn(told);
  // bash sets `_` to the program that it started, and nohup passes it on.
  return basename(started ?? "") === "nohup" || isIgnoredBy("self") || isIgnoredBy(`${process.ppid}`);
}

function isIgnoredBy(pid: string): boolean {
  try {
    const [, mask] = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
    return mask !== undefined && isHangUpIn(mask);
  } catch {
    // Without /proc, treat a hang-up as a stop signal.
    return false;
  }
}

function isHangUpIn(mask: string): boolean {
  return /^[0-9a-f]{1,16}$/i.test(mask) && (BigInt(`0x${mask}`) & SIGHUP_BIT) !== 0n;
}
