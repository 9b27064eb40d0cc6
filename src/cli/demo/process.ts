// Runs commands of this program as child processes, such as the demo's server and client, and reads their results.
import { lastResult } from "../../client/event-stream.js";
import { AppError } from "../../util/errors.js";
import { ownCommand } from "../../util/program/files.js";
import { NODE_START_MS, Subprocess } from "../../util/subprocess.js";

/** Time from a stop request to SIGKILL, and more of it for each connection: a busy host closes 20,000 per second. */
const GRACE_MS = 60_000;
const GRACE_MS_PER_CONNECTION = 0.2;
/** Shorter time for a child that has printed nothing yet and so has nothing to close. */
const SILENT_GRACE_MS = 5000;

/** Starts `fourtuple` with the given arguments. */
export function startCommand(...args: readonly string[]): Subprocess {
  // The child is detached, so that only the demo receives the terminal's Ctrl-C, which it forwards.
  return new Subprocess(ownCommand(...args), {
    detached: true,
    stopsWithUs: true,
    startLimitMs: NODE_START_MS,
  });
}

/**
 * Asks a command to stop.
 *
 * @param silentGraceMs time after which a command that has printed nothing is killed
 * @param connections number that the command may have to close
 */
export async function stopCommand(
  command: Subprocess,
  silentGraceMs = SILENT_GRACE_MS,
  connections = 0,
): Promise<void> {
  await command.stop(command.hasSpoken ? GRACE_MS + GRACE_MS_PER_CONNECTION * connections : silentGraceMs);
}

/**
 * Stops a command and returns its result.
 *
 * @param role name of the command in the error message
 * @param silentGraceMs as for stopCommand(), like `connections`
 * @throws {AppError} E_CONNECT if the command exited before printing its result
 */
export async function finishCommand<Result>(
  command: Subprocess,
  role: string,
  silentGraceMs?: number,
  connections?: number,
): Promise<Result> {
  await stopCommand(command, silentGraceMs, connections);
  const { code, signal, stdout, stderr } = await command.result;
  const result = lastResult(stdout);
  if (result !== undefined) return result as Result;
  const end = [signal ?? `exit code ${code}`, stderr.trim()].filter((part) => part !== "").join(", ");
  throw new AppError("E_CONNECT", `the ${role} exited without a result: ${end}`, {
    fix: "run the demo again; if memory is low, use fewer connections, such as --connections 10k",
  });
}
