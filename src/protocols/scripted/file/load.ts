// Loads a user's protocol file: in the main thread to check it, and in each worker to run it.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import module, { createRequire } from "node:module";
import { basename, extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { AppError } from "../../../util/errors.js";
import { quoted } from "../../../util/printable.js";
import type { ProtocolDefinition } from "../define.js";
import { checkDefinition } from "./check.js";

const EXTENSIONS = [".mjs", ".js", ".ts", ".mts"];
const PUBLIC_NAME = "fourtuple/protocol";
/** Stands in for the package if the user's folder does not have it installed. */
const STAND_IN = "data:text/javascript,export const defineProtocol = (definition) => definition;";

/** Time limit for Node's syntax check of a file. */
const CHECK_MS = 10_000;

/** Definitions loaded in this thread, by absolute path. */
const loaded = new Map<string, ProtocolDefinition>();
let resolvesOwnName = false;

export interface LoadedScript {
  readonly definition: ProtocolDefinition;
  /** Absolute path. */
  readonly file: string;
  readonly sha256: string;
}

/**
 * Loads and checks a file. This runs the user's code.
 *
 * @throws {AppError} E_OPTION if it cannot be read or run, or does not export a valid protocol
 */
export async function loadScript(name: string): Promise<LoadedScript> {
  const file = resolve(name);
  const sha256 = createHash("sha256").update(readScript(name, file)).digest("hex");
  if (!EXTENSIONS.includes(extname(file))) {
    throw cannotLoad(
      name,
      "its name does not say that it is JavaScript or TypeScript",
      `name it ${EXTENSIONS.join(", ")}`,
    );
  }
  if (extname(file).endsWith("ts") && !("typescript" in process.features && process.features.typescript)) {
    throw cannotLoad(
      name,
      `this Node (${process.version}) does not run TypeScript`,
      "use Node 22.18 or newer, or compile the file to JavaScript",
    );
  }
  let found: { readonly default?: unknown };
  try {
    resolveOwnName(file);
    found = await import(pathToFileURL(file).href);
  } catch (error) {
    throw failedToLoad(name, file, error);
  }
  if (!("default" in found) || found.default === undefined) {
    throw cannotLoad(name, "it has no default export", "write: export default defineProtocol({ … })");
  }
  const definition = checkDefinition(found.default, name);
  loaded.set(file, definition);
  return { definition, file, sha256 };
}

/** Returns a definition that loadScript() has loaded in this thread. */
export function loadedScript(file: string): ProtocolDefinition {
  return loaded.get(file)!;
}

function readScript(name: string, file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw cannotLoad(name, problem, "check the path, or create one with fourtuple protocol new", error);
  }
}

/** Lets a file import this package by name although its folder does not have it installed. Needs Node 22.15. */
function resolveOwnName(file: string): void {
  if (resolvesOwnName) return;
  try {
    createRequire(file).resolve(PUBLIC_NAME);
  } catch {
    const { registerHooks } = module as unknown as { registerHooks?: (hooks: object) => void };
    registerHooks?.({
      resolve: (name: string, context: object, next: (name: string, context: object) => unknown) =>
        name === PUBLIC_NAME ? { url: STAND_IN, format: "module", shortCircuit: true } : next(name, context),
    });
    resolvesOwnName = registerHooks !== undefined;
  }
}

function failedToLoad(name: string, file: string, error: unknown): AppError {
  const {
    code,
    message,
    stack = "",
  } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: `${error}` };
  if (code === "ERR_MODULE_NOT_FOUND" && message.includes("'fourtuple'")) {
    const fix = `run npm install fourtuple in the folder of ${basename(file)}, or use Node 22.15 or newer`;
    return cannotLoad(name, `it imports ${PUBLIC_NAME}, which is not installed there`, fix, error);
  }
  const problem = message.split("\n")[0]!;
  if (error instanceof SyntaxError) {
    return cannotLoad(name, `syntax error: ${problem}${placeOf(file, problem)}`, "correct the file", error);
  }
  const line = stack
    .split("\n")
    .find((frame) => frame.includes(file))
    ?.match(/:(\d+)(?::\d+)?\)?$/)?.[1];
  return cannotLoad(name, `${problem}${line === undefined ? "" : ` (line ${line})`}`, "correct the file", error);
}

/**
 * Returns the location of a syntax error, which only Node's own check prints; "" if the error is in a file that this
 * one imports.
 */
function placeOf(file: string, problem: string): string {
  const { stderr } = spawnSync(process.execPath, ["--check", file], { encoding: "utf8", timeout: CHECK_MS });
  const found = /:(\d+)\n.*\n( *)\^/.exec(stderr);
  return found && stderr.includes(problem) ? ` (line ${found[1]}, column ${found[2]!.length + 1})` : "";
}

function cannotLoad(name: string, problem: string, fix: string, cause?: unknown): AppError {
  return new AppError("E_OPTION", `${quoted(name)} cannot be loaded: ${problem}`, { fix, cause });
}
