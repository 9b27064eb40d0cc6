// The engine that carries the runs of a test, where it names none: TEST_ENGINE of its project in vitest.config.ts.
import { uringObstacle } from "../../src/linux/uring/support.js";
import type { EngineChoice } from "../../src/results/engine.js";

/** Commands that have `--engine`. */
const COMMANDS = ["connect", "serve", "demo"];
const DECIDES = ["--engine", "--one-table", "--help"];

const wanted = process.env.TEST_ENGINE as EngineChoice | undefined;
const isMissing = wanted === "uring" && uringObstacle() !== undefined;
if (isMissing) console.warn("io_uring is unavailable: these tests run by the engine that the program chooses");
const engine = isMissing ? undefined : wanted;

/** Options of connect() or serve(). */
export function byEngine<T extends object>(options: T): T {
  return engine === undefined || "oneTable" in options ? options : { engine, ...options };
}

/** A command line. */
export function argsByEngine(args: readonly string[]): readonly string[] {
  const isOurs = COMMANDS.includes(args[0] ?? "") && !args.some((arg) => DECIDES.includes(arg));
  return engine !== undefined && isOurs ? [...args, "--engine", engine] : args;
}
