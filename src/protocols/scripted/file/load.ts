// Loads a user's protocol file into the calling thread.
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import module, { createRequire } from "node:module";
import { extname, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { AppError } from "../../../util/errors.js";
import type { ProtocolDefinition } from "../define.js";
import { checkDefinition } from "./check.js";
import { cannotLoad, failedToLoad, installFix } from "./load-failure.js";

/** Extensions of JavaScript and TypeScript. */
export const EXTENSIONS = [".mjs", ".js", ".ts", ".mts"];
const PUBLIC_NAME = "fourtuple/protocol";
/** Module that stands in for the package if the user's folder does not have it installed. */
const STAND_IN = "data:text/javascript,export const defineProtocol = (definition) => definition;";

const TYPESCRIPT_FIX = "use Node 22.18 or newer, or compile the file to JavaScript";
const { registerHooks } = module as unknown as { readonly registerHooks?: (hooks: object) => void };

/** Time limit for loading a file, whose top-level await may never end. */
export const LOAD_MS = 10_000;

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
 * Loads and checks a file. This runs the user's code, which might not return; see loadFirst().
 *
 * @throws {AppError} E_OPTION if the file cannot be read or run, or does not export a valid protocol
 */
export async function loadScript(name: string): Promise<LoadedScript> {
  const file = resolve(name);
  const sha256 = createHash("sha256").update(readScript(name, file)).digest("hex");
  if (!EXTENSIONS.includes(extname(file))) {
    throw cannotLoad(name, "its extension is not that of JavaScript or TypeScript", `name it ${EXTENSIONS.join(", ")}`);
  }
  if (!runsLanguageOf(file)) {
    throw cannotLoad(name, `this Node (${process.version}) does not run TypeScript`, TYPESCRIPT_FIX);
  }
  let definition: ProtocolDefinition;
  try {
    resolveOwnName(file);
    const found = await withoutExit(file, () => inTime(import(pathToFileURL(file).href)));
    if (found.default === undefined) {
      throw cannotLoad(name, "it has no default export", "write: export default defineProtocol({ … })");
    }
    definition = checkDefinition(found.default, name);
  } catch (error) {
    throw error instanceof AppError ? error : failedToLoad(name, file, error);
  }
  loaded.set(file, definition);
  return { definition, file, sha256 };
}

/** Returns a definition that loadScript() has loaded in this thread. */
export function loadedScript(file: string): ProtocolDefinition {
  return loaded.get(file)!;
}

/** Returns what this Node needs before it can load a file that imports this package; undefined if nothing. */
export function neededToLoad(name: string): string | undefined {
  const file = resolve(name);
  if (!runsLanguageOf(file)) return TYPESCRIPT_FIX;
  return registerHooks || isInstalledFor(file) ? undefined : installFix(file);
}

function runsLanguageOf(file: string): boolean {
  return !extname(file).endsWith("ts") || ("typescript" in process.features && Boolean(process.features.typescript));
}

function readScript(name: string, file: string): Buffer {
  const fix = "check the path, or create one with fourtuple protocol new";
  try {
    if (statSync(file).isFile()) return readFileSync(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const problem = code === "ENOENT" ? "there is no such file" : `it cannot be read (${code})`;
    throw cannotLoad(name, problem, fix, error);
  }
  throw cannotLoad(name, "it is not a regular file", fix);
}

async function inTime<T>(loading: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    const problem = `its top-level await has not finished within ${LOAD_MS / 1000} seconds`;
    timer = setTimeout(() => reject(new Error(problem)), LOAD_MS);
  });
  try {
    return await Promise.race([loading, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Runs `load`, during which a call of process.exit() in the user's file throws: it would end the program silently. */
async function withoutExit<T>(file: string, load: () => Promise<T>): Promise<T> {
  const { exit } = process;
  process.exit = (code) => {
    const refusal = new Error("it calls process.exit()");
    return refusal.stack?.includes(file) ? raise(refusal) : exit.call(process, code);
  };
  try {
    return await load();
  } finally {
    process.exit = exit;
  }
}

function raise(error: Error): never {
  throw error;
}

/** Lets a file import this package by name although its folder does not have it installed. Needs Node 22.15. */
function resolveOwnName(file: string): void {
  if (resolvesOwnName || !registerHooks || isInstalledFor(file)) return;
  registerHooks({
    resolve: (name: string, context: object, next: (name: string, context: object) => unknown) =>
      name === PUBLIC_NAME ? { url: STAND_IN, format: "module", shortCircuit: true } : next(name, context),
  });
  resolvesOwnName = true;
}

function isInstalledFor(file: string): boolean {
  try {
    createRequire(file).resolve(PUBLIC_NAME);
    return true;
  } catch {
    return false;
  }
}
