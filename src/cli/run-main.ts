// Runs a command, prints its error and sets the exit code. --version is answered before anything heavy is loaded.
import "./signals.js";
import { afterOutput, isOfEvent, print, printNote, sentence, takeUnwritten } from "../output/terminal/output.js";
import { DEBUG, startTrace } from "../util/debug/trace.js";
import { hostFault } from "../util/host-fault.js";
import { readVersion } from "../util/program/files.js";
import { sourceStack } from "../util/program/source-stack.js";
import { outputFailed } from "./output-error.js";

const PLATFORM_CODES = ["E_PLATFORM", "E_PERMISSION"];
const USAGE_CODES = ["E_OPTION", "E_ADDRESS", "E_NOT_AUTHORIZED"];
const EXIT = { done: 0, failed: 1, usage: 2, privilege: 3 } as const;

const args = process.argv.slice(2);

/**
 * Runs the whole program. By the time this returns, any error has been printed and the exit code is set.
 */
export async function runMain(): Promise<void> {
  process.stdout.on("error", onOutputError);
  // There is nowhere left to report a failure of standard error.
  process.stderr.on("error", () => undefined);
  startTrace(printNote);
  if (args.length === 1 && (args[0] === "--version" || args[0] === "-V")) print(readVersion());
  else await run();
}

async function run(): Promise<void> {
  try {
    const { runProgram } = await import("./program.js");
    process.exitCode = await runProgram(args, readVersion());
  } catch (error) {
    await report(error);
  }
  // A user's file may have left a timer or socket open, which would keep the process alive.
  if (args.some((word) => word === "protocol" || word.startsWith("--protocol"))) afterOutput(() => process.exit());
}

async function report(thrown: unknown): Promise<void> {
  // Print the error before loading anything else, because there may be no descriptor left for loading.
  const error = hostFault(thrown) ?? thrown;
  if (isAppError(error)) return reportAppError(error);
  const { CommanderError } = await import("commander");
  const { Interrupted } = await import("./supervise.js");
  // Commander has already printed its message.
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? EXIT.done : EXIT.usage;
  else if (error instanceof Interrupted) process.exit(error.exitCode);
  else {
    printNote(`Fatal error: unexpected: ${sentence(error)}`);
    if (process.env[DEBUG]) printNote(error instanceof Error ? sourceStack(`${error.stack}`) : "");
    else printNote("  fix: this is a bug in fourtuple; please report it with the output of FOURTUPLE_DEBUG=1");
    process.exitCode = EXIT.failed;
  }
}

function reportAppError(error: Error & { code: string; fix: string | undefined }): void {
  printNote(`Fatal error: ${sentence(error)}`);
  if (error.fix) printNote(`  fix: ${sentence(error.fix)}`);
  process.exitCode = exitCodeOf(error.code);
  if (process.env[DEBUG]) printNote(sourceStack(`${error.stack}`));
}

function exitCodeOf(code: string): number {
  if (USAGE_CODES.includes(code)) return EXIT.usage;
  return PLATFORM_CODES.includes(code) ? EXIT.privilege : EXIT.failed;
}

// Check by shape rather than class, because an error from another thread is a structured clone.
function isAppError(error: unknown): error is Error & { code: string; fix: string | undefined } {
  return error instanceof Error && "code" in error && "fix" in error;
}

function onOutputError(error: NodeJS.ErrnoException): void {
  // If the reader has gone away (`| head`), that is not an error; the writer notices and stops.
  if (error.code === "EPIPE" || isOfEvent(error)) return;
  const failed = outputFailed(error);
  // A run with threads handles this error itself, in order to end the threads first (supervise.ts).
  if (process.listenerCount("uncaughtException") > 0) throw failed;
  void report(failed)
    .then(() => rescueResult(error.code))
    .finally(() => process.exit());
}

/** Saves a result elsewhere if standard output no longer accepts it, because producing it took time. */
async function rescueResult(errno: string | undefined): Promise<void> {
  const result = takeUnwritten();
  if (result === undefined) return;
  const { rescue } = await import("./files/replace-file.js");
  // A terminal that has hung up does not show standard error either.
  const goesBeside = result.isJson || errno === "EIO";
  const file = goesBeside ? rescue("result", result.isJson ? ".json" : ".txt", result.text) : undefined;
  printNote(file === undefined ? `the result:\n${result.text}` : `the result is in ${file}`);
}
