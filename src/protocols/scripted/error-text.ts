// Describes an error that a handler threw: which handler, for which connection, and where in the author's files.
import { fileURLToPath } from "node:url";
import type { ScriptedSpec } from "../spec/spec.js";
import { HANDLERS } from "./host.js";

const MAX_FRAMES = 8;
/** Folder of our own code. The build bundles this file, so its depth varies. */
const OURS = fileURLToPath(import.meta.url).replace(/(\/(?:dist|src)\/)(?!.*\/(?:dist|src)\/).*/, "$1");

/** @param handler its number, starting at 1 */
export function describeError({ file }: ScriptedSpec, handler: number, connection: number, error: unknown): string {
  const name = HANDLERS[handler - 1]!;
  const intro = `${name}() failed for connection ${connection}`;
  if (!(error instanceof Error)) return `${intro}: it threw ${String(error).slice(0, 200)}, which has no stack`;
  const lines = (error.stack ?? `${error}`).split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  const words = (first < 0 ? lines : lines.slice(0, first)).join(" ");
  const frames = first < 0 ? [] : lines.slice(first).map((line) => line.replace("file://", ""));
  // What is below the author's last file is ours.
  const last = frames.findLastIndex((line) => line.includes(file));
  const own = frames.slice(0, last + 1).filter((line) => !line.includes(OURS) && !line.includes("node:"));
  return [`${intro}: ${words}`, ...own.slice(0, MAX_FRAMES).map((line) => `  ${line.trim()}`)].join("\n");
}
