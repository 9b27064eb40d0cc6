// What a completion answers: the second word of its user data. Its lowest byte is one of TAG; the next says which connection of the
// slot it was for, since what is given up answers late; the upper half is a number that goes with it.

export const TAG = {
  /** Of no interest, whatever it says. */
  ignored: 0,
  /** The steps of opening. */
  socket: 1,
  option: 2,
  bind: 3,
  connect: 4,
  receive: 5,
  poll: 6,
  /** The connection takes more. */
  writable: 7,
  /** From here on the tag is no connection's. A send that leaves with the others, told where it fails; the number is the send buffer's. */
  send: 8,
  /** What such a send has left; the number is the send buffer's. */
  rest: 9,
  /** A send whose caller waits for the answer. */
  sendNow: 10,
  /** The worker's wake-up has become readable. */
  wakeUp: 11,
  /** Another ring has something to do; its number is in the place of the slot. */
  ring: 12,
  install: 13,
  /** One accept; in the place of the slot is that of the peer's address. */
  accept: 14,
  acceptMany: 15,
} as const;

const LIFE_SHIFT = 8;
const NUMBER_SHIFT = 16;
const BYTE = 0xff;

/** @param life of the slot's connection (Slots.life) */
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
