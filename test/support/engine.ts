// The engine that carries the runs of a test: TEST_ENGINE of the test's project (vitest.config.ts), where a test names none itself.

import type { EngineName } from "../../src/results/engine.js";
import { ENGINES } from "../../src/results/identifiers.js";

/** Commands that have `--engine`. */
const COMMANDS = ["connect", "serve", "demo"];

/** Undefined leaves the choice to the program. */
export const TEST_ENGINE: EngineName | undefined = ENGINES.find((name) => name === process.env.TEST_ENGINE);

/** Options of connect() or serve(), by the engine of this project. */
export function byEngine<T extends object>(options: T): T {
  return TEST_ENGINE === undefined || "oneTable" in options ? options : { engine: TEST_ENGINE, ...options };
}

/** A command line, by the engine of this project. */
export function argsByEngine(args: readonly string[]): readonly string[] {
  const isOpen =
    COMMANDS.includes(args[0] ?? "") && !args.some((arg) => ["--engine", "--one-table", "--help"].includes(arg));
  return TEST_ENGINE !== undefined && isOpen ? [...args, "--engine", TEST_ENGINE] : args;
}
