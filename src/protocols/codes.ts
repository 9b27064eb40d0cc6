// Codes by which protocols refuse: HTTP statuses, WebSocket close codes and faults of ours, as numbers in one space with errnos. A code
// says what it is, so that failures of all kinds are counted, merged and named alike.

/** Errnos are below. */
export const FIRST_CODE = 2 ** 16;

/** The first code of each kind: its own number is added. */
export const CODES = {
  /** Status of a response (RFC 9110, 15). */
  http: FIRST_CODE,
  /** Status code of a Close frame (RFC 6455, 7.4); 1005 where it had none. */
  webSocket: 2 * FIRST_CODE,
  /** What we hold against the peer: a place in FAULTS. */
  fault: 3 * FIRST_CODE,
} as const;

/** What a peer does against a protocol, by name. */
export const FAULTS = [
  /** A response was expected, and what came is none of HTTP/1.1. */
  "NOT_HTTP",
  /** A head longer than is read, or too many of them unfinished at once. */
  "HEAD_TOO_LONG",
  /** The response to an upgrade lacks a field, or has a wrong Sec-WebSocket-Accept. */
  "BAD_UPGRADE",
  /** A subprotocol was not agreed on. */
  "BAD_SUBPROTOCOL",
  /** A frame that RFC 6455 forbids. */
  "BAD_FRAME",
  /** Text that is no UTF-8. */
  "BAD_UTF8",
  /** A message longer than is read. */
  "MESSAGE_TOO_BIG",
  /** A ping was not answered for an interval, or some seconds. */
  "NO_PONG",
] as const;

export type Fault = (typeof FAULTS)[number];

/** The code of each fault. */
export const FAULT = Object.fromEntries(FAULTS.map((name, place) => [name, CODES.fault + place])) as Record<
  Fault,
  number
>;

/** `HTTP 503`, `CLOSE 1008`, `BAD_UTF8`. */
export function codeName(code: number): string {
  const number = code % FIRST_CODE;
  if (code >= CODES.fault) return FAULTS[number] ?? `FAULT ${number}`;
  return code >= CODES.webSocket ? `CLOSE ${number}` : `HTTP ${number}`;
}
