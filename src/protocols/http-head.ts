// Parses the head of an HTTP/1.1 message.

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
