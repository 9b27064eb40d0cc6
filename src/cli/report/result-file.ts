// A run's result as it was printed by --json: one object, or the last of its events.

import { readFileSync } from "node:fs";
import { parseResult, type ResultKind, type Results } from "../../results/parse.js";
import { AppError } from "../../util/errors.js";
import { printable, shortened } from "../../util/printable.js";
import { notReadable } from "../files/file-error.js";

/**
 * @param file a path, or `-` for standard input
 * @param kinds results that will do
 * @throws {AppError} E_OPTION when it cannot be read, or holds no such result: the message names the field that is wrong
 */
export function readResult<K extends ResultKind>(file: string, kinds: readonly K[]): Results[K] {
  return parseResult(readJson(file, kinds), kinds, name(file));
}

function readJson(file: string, kinds: readonly ResultKind[]): unknown {
  const text = readText(file);
  const fix = `give what ${kinds.map((kind) => `\`fourtuple ${kind} --json\``).join(" or ")} printed`;
  // `connect` and `serve` print an event a line, and their result as the last.
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

/** undefined when it is not JSON. */
function parse(text: string): { readonly value: unknown } | undefined {
  try {
    // JSON has null for what the result left undefined.
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
