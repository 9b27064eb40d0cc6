// Runs a command in a terminal of a given width: a pseudo-terminal from Python's standard library, with colours
// stripped from its output.
import { fileURLToPath } from "node:url";
import { CLI_FILE, hasProgram, start } from "./process.js";

const PROGRAM = fileURLToPath(new URL("./programs/in-terminal.py", import.meta.url));
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences begin with a control character
const ESCAPES = /\u001b\[[0-9;?]*[A-Za-z]/g;

/** Returns whether a terminal is available. If not, prints the reason for skipping the test. */
export function hasTerminal(): boolean {
  return hasProgram("python3");
}

/**
 * Runs the command line with both outputs on a terminal with this many columns.
 * @returns its output, line by line
 */
export async function runInTerminal(columns: number, args: readonly string[]): Promise<string[]> {
  const { stdout } = await startInTerminal(columns, args).exited();
  return linesOf(stdout);
}

export function startInTerminal(columns: number, args: readonly string[], rows = 60) {
  return start("python3", [PROGRAM, `${columns}x${rows}`, process.execPath, CLI_FILE, ...args]);
}

export function linesOf(shown: string): string[] {
  return shown.replace(ESCAPES, "").replaceAll("\r", "").split("\n");
}
