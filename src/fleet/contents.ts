// The files of a user-defined protocol as part of a spec: the coordinator reads them, and agents that run other people's
// code store them.
import { readFileSync, statSync } from "node:fs";
import { isBuiltin } from "node:module";
import type { RunSpec } from "../planning/run-spec.js";
import { AppError } from "../util/errors.js";
import { quoted } from "../util/printable.js";
import { formatBytes } from "../util/units.js";
import type { Code } from "./code.js";
import { LONGEST } from "./codec.js";
import { isServerSpec, type ServerSpec } from "./server-spec.js";

const PUBLIC_NAME = "fourtuple/protocol";
/** Modules that a file names in import and export declarations, import() and require(). */
const IMPORTS = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(?:"([^"\n]+)"|'([^'\n]+)')/g;
/** Base64 takes a third more. */
const LARGEST_DATA = LONGEST / 2;
/** Prose may say `from "..."`. What only looks like a comment, in a string, leaves it to the agents to miss a module. */
const COMMENTS = /\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*/g;

/** Returns the protocol of a spec; undefined if it is not user-defined. */
export function codeOf(spec: RunSpec | ServerSpec): Code | undefined {
  if (isServerSpec(spec)) return spec.code;
  return spec.protocol?.name === "scripted" ? spec.protocol : undefined;
}

/**
 * Adds the contents of the protocol's file and of its data file to a spec.
 * @throws {AppError} E_OPTION if the protocol consists of more than one file
 */
export function withContents<S extends RunSpec | ServerSpec>(spec: S): S {
  const code = codeOf(spec);
  return code === undefined ? spec : replaced(spec, readContents(code));
}

/** Removes the contents again, where they are not needed. */
export function withoutContents<S extends RunSpec | ServerSpec>(spec: S): S {
  return codeOf(spec) === undefined ? spec : replaced(spec, undefined);
}

function replaced<S extends RunSpec | ServerSpec>(spec: S, contents: Code["contents"]): S {
  if (isServerSpec(spec)) return { ...spec, code: { ...spec.code, contents } };
  return { ...spec, protocol: { ...spec.protocol, contents } };
}

function readContents({ file, data }: Code): Code["contents"] {
  const code = readFileSync(file);
  for (const [, double, single] of code.toString("utf8").replace(COMMENTS, "").matchAll(IMPORTS)) {
    const name = (double ?? single)!;
    if (name === PUBLIC_NAME || isBuiltin(name)) continue;
    throw new AppError("E_OPTION", `${quoted(file)} imports ${quoted(name)}, and agents receive only one file`, {
      fix: "bundle it into one file, for example with esbuild --bundle --format=esm --external:fourtuple",
    });
  }
  return { code: code.toString("base64"), data: data && readData(data.file).toString("base64") };
}

/** @throws {AppError} E_OPTION if the file is too large for a message */
function readData(file: string): Buffer {
  const { size } = statSync(file);
  if (size <= LARGEST_DATA) return readFileSync(file);
  const [own, most] = [size, LARGEST_DATA].map(formatBytes);
  throw new AppError("E_OPTION", `${quoted(file)} has ${own}, and agents are sent at most ${most}`, {
    fix: "leave out columns and rows that the run does not need, or make them up in the protocol from c.number",
  });
}
