// Explains why a user's file cannot be loaded: what is wrong, and in which line of which file it is.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { AppError } from "../../../util/errors.js";
import { quoted } from "../../../util/printable.js";
import { fileCommand, OWN_CODE, packageFolder } from "../../../util/program/files.js";
import { shellWord } from "../../../util/shell.js";

/** Time limit for Node to find a syntax error. */
const CHECK_MS = 10_000;

/** Matches messages about syntax that only ES modules may contain. */
const IS_MODULE = /import statement outside a module|Unexpected token 'export'|import\.meta/;

export interface Place {
  readonly file: string;
  /** Position of the error: the line, and the column if it is known, such as `line 3, column 7`. */
  readonly words: string;
}

/** @param name the file as the user gave it */
export function cannotLoad(name: string, problem: string, fix: string, cause?: unknown): AppError {
  return new AppError("E_OPTION", `${quoted(name)} cannot be loaded: ${problem}`, { fix, cause });
}

/** Returns how to let a file import this package: install the copy that is running. */
export function installFix(file: string): string {
  return `run npm install ${shellWord(packageFolder())} in the folder of ${basename(file)}, or use Node 22.15 or newer`;
}

/** Returns the error for a file whose import failed with `error`. */
export function failedToLoad(name: string, file: string, error: unknown): AppError {
  const { code, message, stack } = error instanceof Error ? (error as NodeJS.ErrnoException) : { message: `${error}` };
  if (code === "ERR_MODULE_NOT_FOUND") return importsMissing(name, file, message, error);
  const isSyntax = error instanceof SyntaxError;
  if (isSyntax && /\.[jt]s$/.test(file) && IS_MODULE.test(message)) {
    const problem = "Node treats it as CommonJS, because of its name or the nearest package.json";
    const newName = basename(file).replace(/\.([jt]s)$/, ".m$1");
    return cannotLoad(name, problem, `name it ${newName}, or set "type": "module" in that package.json`, error);
  }
  const place = placeInStack(stack ?? "") ?? (isSyntax ? placeByNode(file, message) : undefined);
  const problem = `${isSyntax ? "syntax error: " : ""}${message.split("\n")[0]}${placeWords(place, file)}`;
  return cannotLoad(name, problem, "correct the file", error);
}

/** Returns a text such as ` (line 3)`, which names the file unless it is `file`; an empty one without a place. */
export function placeWords(place: Place | undefined, file: string): string {
  if (!place) return "";
  return place.file === file ? ` (${place.words})` : ` (${place.file}, ${place.words})`;
}

function importsMissing(name: string, file: string, message: string, cause: unknown): AppError {
  const [, kind, wanted = "", by = file] = /^Cannot find (\w+) '(.+?)'(?: imported from (.+))?/.exec(message) ?? [];
  if (wanted === "fourtuple") {
    return cannotLoad(name, "it imports fourtuple/protocol, which is not installed there", installFix(file), cause);
  }
  const line = lineWith(basename(wanted), by);
  const where = [by === file ? "" : by, line].filter((part) => part !== "").join(", ");
  const problem = `it imports ${quoted(wanted)}, which does not exist${where === "" ? "" : ` (${where})`}`;
  const fix = kind === "package" ? `run npm install ${wanted} in its folder` : "correct the path";
  return cannotLoad(name, problem, fix, cause);
}

function lineWith(text: string, file: string): string {
  try {
    const line = readFileSync(file, "utf8")
      .split("\n")
      .findIndex((each) => each.includes(text));
    return line < 0 ? "" : `line ${line + 1}`;
  } catch {
    return "";
  }
}

/** Returns the position of the first stack frame that is neither in Node nor in fourtuple. */
export function placeInStack(stack: string): Place | undefined {
  for (const frame of stack.split("\n")) {
    if (frame.includes(OWN_CODE)) continue;
    const [, path, line] = /^ +at (?:.*\()?((?:file:\/\/)?\/.*?):(\d+):\d+\)?$/.exec(frame) ?? [];
    if (path !== undefined) return { file: pathOf(path), words: `line ${line}` };
  }
  return undefined;
}

/**
 * Returns the position of a syntax error, which Node prints only when it exits because of it. This runs no user code:
 * Node parses all modules first.
 */
function placeByNode(file: string, message: string): Place | undefined {
  const [program, ...args] = fileCommand(file);
  const { stderr } = spawnSync(program!, args, {
    encoding: "utf8",
    timeout: CHECK_MS,
    stdio: ["ignore", "ignore", "pipe"],
  });
  const [, path, line, indent = ""] = /^((?!node:)\S.*):(\d+)\n(?:.*\n){1,2}?( *)\^/m.exec(stderr) ?? [];
  if (path === undefined || !stderr.includes(message.split("\n")[0]!)) return undefined;
  return { file: pathOf(path), words: `line ${line}, column ${indent.length + 1}` };
}

/** Returns the path of a file: URL, or the path itself. */
export function pathOf(path: string): string {
  return path.startsWith("file://") ? fileURLToPath(path) : path;
}
