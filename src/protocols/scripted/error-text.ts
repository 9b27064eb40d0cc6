// Describes an error thrown by a handler: which handler, for which connection, and where in the user's files.
import { OWN_CODE } from "../../util/program/files.js";
import type { ScriptedSpec } from "../spec/spec.js";
import { HANDLERS } from "./host.js";

const MAX_FRAMES = 8;

/**
 * @param handler number of the handler, starting at 1
 */
export function describeError({ file }: ScriptedSpec, handler: number, connection: number, error: unknown): string {
  const name = HANDLERS[handler - 1]!;
  const intro = `${name}() failed for connection ${connection}`;
  const inFile = `  in ${file}`;
  if (!(error instanceof Error)) return `${intro}: it threw ${textOf(error)}, which has no stack\n${inFile}`;
  const lines = textOf(error, "stack").split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  const words = (first < 0 ? lines : lines.slice(0, first)).join(" ");
  const frames = first < 0 ? [] : lines.slice(first).map((line) => line.replace("file://", ""));
  // Stack frames below the user's last file belong to fourtuple.
  const last = frames.findLastIndex((line) => line.includes(file));
  const own = frames.slice(0, last + 1).filter((line) => !line.includes(OWN_CODE) && !line.includes("node:"));
  const places = own.slice(0, MAX_FRAMES).map((line) => `  ${line.trim()}`);
  return [`${intro}: ${words}`, ...(places.length > 0 ? places : [inFile])].join("\n");
}

/** A user's object may throw when it is converted to a text. */
function textOf(error: unknown, field?: "stack"): string {
  try {
    return field ? `${(error as Error)[field] ?? error}` : String(error).slice(0, 200);
  } catch {
    return "something that cannot be printed";
  }
}
