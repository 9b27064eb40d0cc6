// Parses the head of an HTTP/1.1 message.
import type { Leftovers } from "./leftovers.js";

/** Maximum length of a head. Longer ones are refused. */
export const LONGEST_HEAD = 16 * 1024;

const [CR, LF] = [13, 10];

/** Returns the end of the head that starts at `start`, including the empty line, or -1 if it is incomplete. */
export function findHeadEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 3; at < end; at++) {
    if (bytes[at] === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
  }
  return -1;
}

/** Results of Heads.read() other than a position: the head is incomplete, or too long to read or buffer. */
export const HEAD = { partial: -1, tooLong: -2 } as const;

/** Finds the ends of heads. Each byte is examined only once, however a head is split into reads. */
export class Heads {
  /** The last complete head: bytes `start` to `end` of `bytes`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  private readonly leftovers: Leftovers;

  /** @param leftovers buffers incomplete heads */
  constructor(leftovers: Leftovers) {
    this.leftovers = leftovers;
  }

  /**
   * Reads bytes `start` to `end` as the next part of the head of `slot`.
   * @returns end of the head in `bytes`, or one of HEAD
   */
  read(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { leftovers } = this;
    const before = leftovers.lengthOf(slot);
    if (before > 0) return this.readOn(slot, before, bytes, start, end);
    const at = findHeadEnd(bytes, start, Math.min(end, start + LONGEST_HEAD));
    if (at < 0) return end - start <= LONGEST_HEAD ? this.keep(slot, bytes, start, end) : HEAD.tooLong;
    this.bytes = bytes;
    this.start = start;
    this.end = at;
    return at;
  }

  /** @param before number of bytes of the head already buffered */
  private readOn(slot: number, before: number, bytes: Uint8Array, start: number, end: number): number {
    const { leftovers } = this;
    const taken = Math.min(end - start, LONGEST_HEAD - before);
    if (this.keep(slot, bytes, start, start + taken) === HEAD.tooLong) return HEAD.tooLong;
    const whole = leftovers.bytesOf(slot);
    const at = findHeadEnd(whole, Math.max(0, before - 3), before + taken);
    if (at < 0) return taken < end - start ? HEAD.tooLong : HEAD.partial;
    this.bytes = whole;
    this.start = 0;
    this.end = at;
    leftovers.drop(slot);
    return start + at - before;
  }

  private keep(slot: number, bytes: Uint8Array, start: number, end: number): number {
    return this.leftovers.keep(slot, bytes, start, end) ? HEAD.partial : HEAD.tooLong;
  }
}

/** Returns a field's value, joining repeated fields with commas (RFC 9110, section 5.3); undefined if absent. */
export function fieldOf(head: string, name: string): string | undefined {
  // Trim separately: a regular expression that matches trailing blanks takes cubic time, and the peer chooses their
  // number.
  const values = [...head.matchAll(new RegExp(`^${name}:([^\\r\\n]*)\\r$`, "gim"))].map(([, value]) => value!.trim());
  return values.length === 0 ? undefined : values.join(", ");
}

/** Returns whether a list-valued field contains `token`, ignoring case. */
export function hasToken(list: string | undefined, token: string): boolean {
  return list?.split(",").some((each) => each.trim().toLowerCase() === token) ?? false;
}

/** Returns the name of a header field such as `Server: x`, in lower case. */
export function fieldName(field: string): string {
  return field.split(":", 1)[0]!.trim().toLowerCase();
}

/**
 * Returns default header fields and the user's own, which replace defaults of the same name.
 *
 * @param defaults header fields such as `Server: x`; undefined ones are left out
 * @param own the user's header fields
 */
export function headerLines(defaults: readonly (string | undefined)[], own: readonly string[]): string[] {
  const replaced = new Set(own.map(fieldName));
  return [...defaults.filter((field) => field !== undefined && !replaced.has(fieldName(field))), ...own] as string[];
}
