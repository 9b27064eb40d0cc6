// Parses data as a result of a known kind, or reports which field is invalid.
import type { core } from "zod";
import { AppError } from "../util/errors.js";
import { z } from "../util/zod.js";
import { type ConnectResult, connectSchema } from "./connect.js";
import { VERSION } from "./fields.js";
import { type LabResult, labSchema } from "./lab/lab.js";
import { type ServeResult, serveSchema } from "./serve.js";

/** Schemas of the results that are saved and read again, by `kind`. */
export interface Results {
  connect: ConnectResult;
  serve: ServeResult;
  lab: LabResult;
}

export type ResultKind = keyof Results;

export const SCHEMAS = { connect: connectSchema, serve: serveSchema, lab: labSchema } as const;

const COMMANDS: Record<ResultKind, string> = {
  connect: "`fourtuple connect --json`",
  serve: "`fourtuple serve --json`",
  lab: "`fourtuple lab --json`",
};

/**
 * Parses a value as a result. Unknown fields are dropped; missing `samples` become an empty array.
 *
 * @param kinds kinds to accept
 * @param name used for the value in errors, such as a file name
 * @throws {AppError} E_OPTION for any other value; the message names the first invalid field
 */
export function parseResult<K extends ResultKind>(value: unknown, kinds: readonly K[], name: string): Results[K] {
  const kind = kinds.find((candidate) => candidate === (value as { kind?: unknown } | null)?.kind);
  const wanted = `use what ${kinds.map((candidate) => COMMANDS[candidate]).join(" or ")} printed`;
  if (kind === undefined) {
    throw new AppError("E_OPTION", `${name} is not a run result: ${describeKind(value)}`, { fix: wanted });
  }
  const { version } = value as { version?: unknown };
  if (typeof version === "number" && version !== VERSION) {
    const fix = version > VERSION ? "read it with the version of fourtuple that wrote it" : wanted;
    throw new AppError(
      "E_OPTION",
      `${name} has format ${version}, and this version of fourtuple reads format ${VERSION}`,
      {
        fix,
      },
    );
  }
  const parsed = SCHEMAS[kind].safeParse(value);
  // A kind's schema has that kind's type, but TypeScript cannot infer this from the key.
  if (parsed.success) return parsed.data as Results[ResultKind] as Results[K];
  const issue = parsed.error.issues[0]!;
  throw new AppError("E_OPTION", `${name} is not a run result: ${describeIssue(issue, value)}`, { fix: wanted });
}

/**
 * Parses a value from a caller of the library: a run's result, or its JSON.
 *
 * @throws {AppError} E_OPTION if the value is not a result
 */
export function parseOwnResult<K extends ResultKind>(value: unknown, kinds: readonly K[]): Results[K] {
  let plain: unknown;
  try {
    // JSON represents undefined array elements by null.
    plain = JSON.parse(JSON.stringify(value) ?? "null", (_, field) => field ?? undefined);
  } catch {
    // Cyclic data cannot be a result.
  }
  return parseResult(plain, kinds, "this");
}

function describeKind(value: unknown): string {
  if (typeof value !== "object" || value === null) return "expected a JSON object";
  const { kind } = value as { kind?: unknown };
  return kind === undefined ? "kind is missing" : `kind is ${JSON.stringify(kind)}`;
}

function describeIssue({ path, message }: core.$ZodIssue, value: unknown): string {
  const field = z.core.toDotPath(path);
  const found = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);
  if (found === undefined) return `${field} is missing`;
  return `${field} is invalid (${message.replace(/^Invalid \w+: /, "")})`;
}
