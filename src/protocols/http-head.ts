// The head of an HTTP/1.1 message: where it ends, and its fields.

/** A longer head is refused. */
export const LONGEST_HEAD = 16 * 1024;

const [CR, LF] = [13, 10];

/** Where the head that begins at `start` ends, the empty line included; -1 when it has not come whole by `end`. */
export function findHeadEnd(bytes: Uint8Array, start: number, end: number): number {
  for (let at = start + 3; at < end; at++) {
    if (bytes[at] === LF && bytes[at - 1] === CR && bytes[at - 2] === LF && bytes[at - 3] === CR) return at + 1;
  }
  return -1;
}

/** The value of a field, several of one name joined by commas (RFC 9110, 5.3); undefined where there is none. */
export function fieldOf(head: string, name: string): string | undefined {
  // Trimmed afterwards: an expression that looks for the value's end among blanks takes the cube of their number, which a peer chooses.
  const values = [...head.matchAll(new RegExp(`^${name}:([^\\r\\n]*)\\r$`, "gim"))].map(([, value]) => value!.trim());
  return values.length === 0 ? undefined : values.join(", ");
}

/** Whether a field that is a list has `token`, in whatever case. */
export function hasToken(list: string | undefined, token: string): boolean {
  return list?.split(",").some((each) => each.trim().toLowerCase() === token) ?? false;
}
