// Validates options of library calls against a schema and words the errors. Only the public API loads this module: the
// command line's parsers have their own checks, and loading zod takes longer than a small run.

import type { ZodObject } from "zod";
import { isAddressRange } from "./address-range.js";
import { AppError } from "./errors.js";
import { quoted } from "./printable.js";
import { editDistance } from "./suggestions/edit-distance.js";
import { z } from "./zod.js";

/**
 * Creates the schema of an option.
 * @param takes description of the valid values, for error messages
 */
export function option<T>(takes: string, check: (value: unknown) => boolean) {
  return z.custom<T>(check, { error: ({ input }) => `takes ${takes}, not ${describe(input)}` });
}

export const text = option<string>("a string", (value) => typeof value === "string");
/** Returns whether `value` is a list of strings. */
export const isTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((it) => typeof it === "string");
/** Returns whether `value` is a string or bytes. */
export const isContent = (value: unknown): value is string | Uint8Array =>
  typeof value === "string" || value instanceof Uint8Array;
export const content = option<string | Uint8Array>("a string or bytes", isContent);
/** Accepts any number. The range is checked by the code that uses the option. */
export const number = option<number>("a number", (value) => typeof value === "number" && !Number.isNaN(value));
export const count = option<number>(
  "a whole number above 0",
  (value) => Number.isSafeInteger(value) && Number(value) > 0,
);
export const flag = option<boolean>("true or false", (value) => typeof value === "boolean");

export const signal = option<AbortSignal>(
  "an AbortSignal (a controller's .signal)",
  (value) =>
    typeof value === "object" &&
    value !== null &&
    "aborted" in value &&
    typeof (value as AbortSignal).addEventListener === "function",
);

export function oneOf<const T extends string | number>(values: readonly T[]) {
  const names = values.map((value) => (typeof value === "string" ? `"${value}"` : `${value}`));
  return option<T>(`one of ${names.join(", ")}`, (value) => values.includes(value as T));
}

export const sources = option<never>(
  'addresses, such as "127.0.0.2" or what parseAddressRanges() returns',
  (value) =>
    typeof value === "string" ||
    (Array.isArray(value) && value.length > 0 && value.every((it) => typeof it === "string" || isAddressRange(it))),
);

export const sourcePorts = option<never>(
  'ports, such as "1024-65535" or { first: 1024, last: 65535 }, or "kernel"',
  (value) => {
    if (typeof value === "string") return true;
    const { first, last } = (value ?? {}) as { first?: unknown; last?: unknown };
    return Number.isInteger(first) && Number.isInteger(last);
  },
);

/**
 * Validates a call's options.
 *
 * @param call name of the function, for error messages
 * @returns the options, which are all known and have the right types
 * @throws {AppError} E_OPTION
 */
export function checkOptions<T>(call: string, schema: ZodObject, value: T): T {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new AppError("E_OPTION", `${call}() takes an options object, not ${describe(value)}`, {
      fix: `call ${call}({ … }) with some of ${Object.keys(schema.shape).join(", ")}`,
    });
  }
  // Compiling a schema takes longer than interpreting it once.
  const parsed = schema.safeParse(value, { jitless: true });
  if (parsed.success) return parsed.data as T;
  const issue = parsed.error.issues[0]!;
  if (issue.code === "unrecognized_keys") throw unknownOption(call, issue.keys[0]!, Object.keys(schema.shape));
  throw new AppError("E_OPTION", `${call}(): ${z.core.toDotPath(issue.path)} ${issue.message}`, {
    fix: "see the type declarations of its options, or docs/library.md",
  });
}

function unknownOption(call: string, name: string, known: readonly string[]): AppError {
  const [nearest] = [...known].sort((a, b) => unlikeness(a, name) - unlikeness(b, name));
  const isNear = nearest !== undefined && unlikeness(nearest, name) <= Math.max(2, Math.floor(name.length / 3));
  const list = `the options are ${known.join(", ")}`;
  return new AppError("E_OPTION", `${call}() has no option ${quoted(name)}`, {
    fix: isNear ? `did you mean ${nearest}? T${list.slice(1)}` : list,
  });
}

/** Returns the edit distance between two names. Two names also count as close if one is a prefix of the other. */
function unlikeness(known: string, name: string): number {
  const [a, b] = [known.toLowerCase(), name.toLowerCase()];
  return a.startsWith(b) || b.startsWith(a) ? 1 : editDistance(a, b.slice(0, 40));
}

function describe(value: unknown): string {
  if (typeof value === "string") return quoted(value);
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list of something else";
  if (typeof value === "function") return "a function";
  if (typeof value !== "object" || value === null) return String(value);
  const { name = "object" } = Object.getPrototypeOf(value)?.constructor ?? {};
  return name === "Object" ? "an object" : `an ${quoted(String(name)).slice(1, -1)}`;
}
