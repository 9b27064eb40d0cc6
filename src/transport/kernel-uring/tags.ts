// What a completion answers: the second word of its user data. The lowest byte is one of TAG, the rest a number that goes with it.

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
  /** The number is the send buffer's. */
  send: 7,
  close: 8,
  /** The worker's wake-up has become readable. */
  wakeUp: 9,
  /** Another ring has something to do; its number is in the place of the slot. */
  ring: 10,
  install: 11,
  /** The number says where the peer's address is. */
  accept: 12,
} as const;

const NUMBER_SHIFT = 8;
const TAG_MASK = 0xff;

export function tagWith(tag: number, number: number): number {
  return tag | (number << NUMBER_SHIFT);
}

export function kindOf(tag: number): number {
  return tag & TAG_MASK;
}

export function numberOf(tag: number): number {
  return tag >>> NUMBER_SHIFT;
}
