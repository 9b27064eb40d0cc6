// Knows how this program is run: by Node from its files, or as one executable that contains Node and these files
// (scripts/package/). All other modules find their threads, child processes and data files here.
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { getAsset, getRawAsset, isSea } from "node:sea";
import { fileURLToPath } from "node:url";
import { Worker, type WorkerOptions } from "node:worker_threads";
import type { Entry } from "./entries.js";

/** Whether this program is one executable file. */
export const IS_SINGLE_FILE: boolean = isSea();

/**
 * Part of the path of all frames that this program's own code leaves in a stack. The build bundles this file, so its
 * depth in the folder varies. In a single executable, its modules appear below the path of the executable.
 */
export const OWN_CODE = IS_SINGLE_FILE
  ? `${process.execPath}/`
  : fileURLToPath(import.meta.url).replace(/(\/(?:dist|src)\/)(?!.*\/(?:dist|src)\/).*/, "$1");

/** First arguments that make the executable run something other than a command; see scripts/package/start.cjs. */
const RUN = { entry: "@entry", file: "@file" } as const;
/** Node warns that loading a user's file from an executable's script is experimental. */
const QUIET = ["--disable-warning=ExperimentalWarning"];

/** Returns the version of the package. */
export function readVersion(): string {
  return JSON.parse(readOwnFile("package.json")).version;
}

/**
 * Returns the text of a file of the package.
 * @param path path below the package's folder
 */
export function readOwnFile(path: string): string {
  return IS_SINGLE_FILE ? getAsset(path, "utf8") : readFileSync(inPackage(path), "utf8");
}

/** Returns the folder of the package, or its name if the program is one executable file, which has no folder. */
export function packageFolder(): string {
  return IS_SINGLE_FILE ? "fourtuple" : pathOf(".").replace(/\/$/, "");
}

/** Returns the command line that runs one of this program's commands, as in `ownCommand("serve", ":7777")`. */
export function ownCommand(...args: readonly string[]): string[] {
  return IS_SINGLE_FILE ? [executable(), ...args] : [process.execPath, pathOf("dist/cli/main.js"), ...args];
}

/** Returns the command line that runs a helper program. */
export function entryCommand(entry: Entry, ...args: readonly string[]): string[] {
  if (IS_SINGLE_FILE) return [executable(), RUN.entry, entry, ...args];
  return [process.execPath, fileURLToPath(moduleOf(entry)), ...args];
}

/** Returns the command line that runs a user's JavaScript or TypeScript file. */
export function fileCommand(file: string): string[] {
  return IS_SINGLE_FILE ? [executable(), RUN.file, file] : [process.execPath, file];
}

/**
 * Starts a thread.
 * @throws if the thread cannot be created
 */
export function startThread(entry: Entry, options: Omit<WorkerOptions, "eval" | "execArgv"> = {}): Worker {
  if (!IS_SINGLE_FILE) return new Worker(moduleOf(entry), { ...options, execArgv: [] });
  const script = `${getAsset("start.cjs", "utf8")}runScript(${JSON.stringify(entry)});`;
  return new Worker(script, { ...options, eval: true, execArgv: QUIET });
}

/** Returns the contents of a file that the single executable contains. */
export function containedBytes(name: string): Uint8Array {
  return new Uint8Array(getRawAsset(name) as ArrayBuffer);
}

/** Returns a `require` for installed packages. A single executable has none. */
export function packageRequire(): NodeJS.Require {
  return createRequire(import.meta.url);
}

/**
 * Returns the path of the single executable. If the file has been deleted, its contents are still accessible through
 * /proc for as long as this process runs.
 */
function executable(): string {
  return existsSync(process.execPath) ? process.execPath : `/proc/${process.pid}/exe`;
}

function moduleOf(entry: Entry): URL {
  return new URL(`../../${entry}.js`, import.meta.url);
}

function inPackage(path: string): URL {
  return new URL(`../../../${path}`, import.meta.url);
}

function pathOf(path: string): string {
  return fileURLToPath(inPackage(path));
}
