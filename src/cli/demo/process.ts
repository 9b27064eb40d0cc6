// The demo's server and client: commands of this program, each a process of its own, and the results that they print last.
import { fileURLToPath } from "node:url";
import { lastResult } from "../../client/event-stream.js";
import { AppError } from "../../util/errors.js";
import { NODE_START_MS, Subprocess } from "../../util/subprocess.js";

/** From a request to end to the kill: a million connections take their time to close. */
const GRACE_MS = 60_000;
/** One that has said nothing yet has nothing to close. */
const SILENT_GRACE_MS = 5000;

/** Starts `fourtuple` with these arguments. */
export function startCommand(...args: readonly string[]): Subprocess {
  const main = fileURLToPath(new URL("../main.js", import.meta.url));
  // A Ctrl-C of the terminal is for the demo to pass on.
  return new Subprocess([process.execPath, main, ...args], {
    detached: true,
    stopsWithUs: true,
    startLimitMs: NODE_START_MS,
  });
}

/**
 * Asks it to end in order.
 *
 * @param silentGraceMs until one that has printed nothing is killed
 */
export async function stopCommand(command: Subprocess, silentGraceMs = SILENT_GRACE_MS): Promise<void> {
  await command.stop(command.hasSpoken ? GRACE_MS : silentGraceMs);
}

/**
 * Stops it for its result.
 *
 * @param role what it is to whoever reads the error
 * @param silentGraceMs as for stopCommand()
 * @throws {AppError} E_CONNECT when it was ended before it could print the result
 */
export async function finishCommand<Result>(
  command: Subprocess,
  role: string,
  silentGraceMs?: number,
): Promise<Result> {
  await stopCommand(command, silentGraceMs);
  const { code, signal, stdout, stderr } = await command.result;
  const result = lastResult(stdout);
  if (result !== undefined) return result as Result;
  const end = [signal ?? `exit code ${code}`, stderr.trim()].filter((part) => part !== "").join(", ");
  throw new AppError("E_CONNECT", `the ${role} ended without a result: ${end}`, {
    fix: "run it again; where memory is short, with fewer connections, such as --connections 10k",
  });
}
