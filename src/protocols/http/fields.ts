// Parses the fields of an HTTP/1.1 head, and interprets those that determine the body's length and whether the
// connection closes.
// @see RFC 9110, section 5; RFC 9112, sections 5, 6 and 9
import { hasToken } from "../http-head.js";

/**
 * How a body ends: not at all, because there is none; after a known length; with an empty last chunk; or with
 * the connection.
 */
export const BODY = { none: 0, fixed: 1, chunked: 2, untilClose: 3 } as const;
export type Body = (typeof BODY)[keyof typeof BODY];

/** Field values by lower-case name. Repeated fields are joined with commas. */
export type Fields = ReadonlyMap<string, string>;

const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):(.*)$/s;
/** Characters that no field value may contain. */
const FORBIDDEN = /[\r\n\0]/;

/**
 * Parses the field lines of a head.
 *
 * @param head the head, including the empty line
 * @returns undefined if a line is invalid, such as a folded one
 */
export function parseFields(head: string): Fields | undefined {
  const fields = new Map<string, string>();
  for (const line of head.split("\r\n").slice(1, -2)) {
    const [, name, value] = FIELD.exec(line) ?? [];
    if (name === undefined || FORBIDDEN.test(value!)) return undefined;
    const key = name.toLowerCase();
    const before = fields.get(key);
    fields.set(key, before === undefined ? value!.trim() : `${before}, ${value!.trim()}`);
  }
  return fields;
}

/** Returns Content-Length; NaN if it is invalid or ambiguous, undefined if absent. */
export function contentLength(fields: Fields): number | undefined {
  const value = fields.get("content-length");
  if (value === undefined) return undefined;
  const [first, ...others] = value.split(",").map((each) => each.trim());
  const length = Number(first);
  const isSound = /^\d+$/.test(first!) && others.every((other) => other === first) && Number.isSafeInteger(length);
  return isSound ? length : Number.NaN;
}

/**
 * Whether the sender keeps the connection open after this message.
 * @param minor minor version: 0 for HTTP/1.0
 */
export function isKept(fields: Fields, minor: number): boolean {
  const options = fields.get("connection");
  if (hasToken(options, "close")) return false;
  return minor > 0 || hasToken(options, "keep-alive");
}

/** Whether the last transfer coding is chunked, which delimits the body. */
export function isChunked(codings: string): boolean {
  return codings.split(",").at(-1)!.trim().toLowerCase() === "chunked";
}
