// Reads a run's result from --json output, either a single object or the last event of a stream.

import { readFileSync } from "node:fs";
import { parseResult, type ResultKind, type Results } from "../../results/parse.js";
import { AppError } from "../../util/errors.js";
import { printable, shortened } from "../../util/printable.js";
import { notReadable } from "../files/file-error.js";

/**
 * @param file a path, or `-` for standard input
 * @param kinds accepted kinds of results
 * @throws {AppError} E_OPTION if the file cannot be read or has no such result; the message names the wrong field
 */
export function readResult<K extends ResultKind>(file: string, kinds: readonly K[]): Results[K] {
  return parseResult(readJson(file, kinds), kinds, name(file));
}

function readJson(file: string, kinds: readonly ResultKind[]): unknown {
  const text = readText(file);
  const fix = `use the output of ${kinds.map((kind) => `\`fourtuple ${kind} --json\``).join(" or ")}`;
  // `connect` and `serve` print one event per line, with the result on the last line.
  const last = text.trim().split("\n").at(-1) ?? "";
  for (const candidate of [text, last]) {
    const parsed = parse(candidate);
    if (!parsed) continue;
    const event = (parsed.value as { event?: unknown } | undefined)?.event;
    if (event === undefined || event === "result") return parsed.value;
    throw new AppError("E_OPTION", `${name(file)} ends before the run's result`, { fix });
  }
  throw new AppError("E_OPTION", `${name(file)} is not JSON`, { fix });
}

/** Returns the parsed value; undefined if the text is not JSON. */
function parse(text: string): { readonly value: unknown } | undefined {
  try {
    // JSON uses null where the result has undefined.
    return { value: JSON.parse(text, (_, value) => value ?? undefined) };
  } catch {
    return undefined;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file === "-" ? 0 : file, "utf8");
  } catch (cause) {
    throw notReadable(name(file), cause);
  }
}

function name(file: string): string {
  return file === "-" ? "standard input" : shortened(printable(file), 200);
}
