// Tags identify what a completion belongs to. A tag forms the second word of a completion's user data: the lowest
// byte is one of TAG, the next byte is the number of the slot's connection, to recognize completions of cancelled
// requests, and the upper half is an additional number.

export const TAG = {
  /** Ignored, whatever its result. */
  ignored: 0,
  /** The steps of opening a connection. */
  socket: 1,
  option: 2,
  bind: 3,
  connect: 4,
  /** The second connect(), which shows whether the first one really established a connection. */
  verify: 5,
  receive: 6,
  poll: 7,
  /** The connection can send more. */
  writable: 8,
  /**
   * A send that posts a completion only if it fell short; the number is that of its send buffer. Tags from here on
   * do not identify a connection.
   */
  send: 9,
  /** The remainder of such a send; the number is that of its send buffer. */
  rest: 10,
  /** A send whose caller waits for the result. */
  sendNow: 11,
  /** A read of the current turn; the number is its place among them. */
  readNow: 12,
  /** The worker's wake-up descriptor is readable: another thread has written to it, or another ring has work. */
  wakeUp: 13,
  install: 14,
  /** An accept, for which the slot field holds the index of the peer's address. */
  accept: 15,
} as const;

const LIFE_SHIFT = 8;
const NUMBER_SHIFT = 16;
const BYTE = 0xff;

/** param life number of the slot's connection (Slots.life) */
export function tagOf(kind: number, life: number): number {
  return kind | (life << LIFE_SHIFT);
}

export function tagWith(kind: number, number: number): number {
  return kind | (number << NUMBER_SHIFT);
}

export function kindOf(tag: number): number {
  return tag & BYTE;
}

export function lifeOf(tag: number): number {
  return (tag >>> LIFE_SHIFT) & BYTE;
}

export function numberOf(tag: number): number {
  return tag >>> NUMBER_SHIFT;
}
