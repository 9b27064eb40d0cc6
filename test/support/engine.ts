// Sets the default engine of a test's runs: TEST_ENGINE of its project in vitest.config.ts, unless the test selects
// an engine itself.
import { uringObstacle } from "../../src/linux/uring/support.js";
import type { EngineChoice } from "../../src/results/engine.js";

/** Commands with `--engine`. */
const COMMANDS = ["connect", "serve", "demo"];
const DECIDES = ["--engine", "--one-table", "--help"];

const wanted = process.env.TEST_ENGINE as EngineChoice | undefined;
const isMissing = wanted === "uring" && uringObstacle() !== undefined;
if (isMissing) console.warn("io_uring is unavailable: these tests run with the default engine");
const engine = isMissing ? undefined : wanted;

/** Adds the engine to options of connect() or serve(). */
export function byEngine<T extends object>(options: T): T {
  return engine === undefined || "oneTable" in options ? options : { engine, ...options };
}

/** Adds the engine to a command line. */
export function argsByEngine(args: readonly string[]): readonly string[] {
  const isOurs = COMMANDS.includes(args[0] ?? "") && !args.some((arg) => DECIDES.includes(arg));
  return engine !== undefined && isOurs ? [...args, "--engine", engine] : args;
}
