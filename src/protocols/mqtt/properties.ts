// Properties of MQTT 5: where each ends, and the few that matter here.
// @see MQTT 5, 2.2.2
import { dataEnd, lengthSize } from "./packet.js";

export const PROPERTY = {
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  receiveMaximum: 0x21,
  maximumQos: 0x24,
  maximumPacketSize: 0x27,
} as const;

/** How each is written: a number of so many bytes, or one of these. */
const [LENGTH, DATA, PAIR] = [5, 6, 7] as const;

/** By identifier; 0 for none. */
const KINDS = new Uint8Array(128);
for (const id of [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a]) KINDS[id] = 1;
for (const id of [0x13, 0x21, 0x22, 0x23]) KINDS[id] = 2;
for (const id of [0x02, 0x11, 0x18, 0x27]) KINDS[id] = 4;
for (const id of [0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f]) KINDS[id] = DATA;
KINDS[0x0b] = LENGTH;
KINDS[0x26] = PAIR;

/** Where the property at `at` ends; -1 for one that is unknown or goes on behind `end`. */
export function propertyEnd(bytes: Uint8Array, at: number, end: number): number {
  // Identifiers of more than a byte are not in use.
  const kind = bytes[at]! < 0x80 ? KINDS[bytes[at]!]! : 0;
  const value = at + 1;
  let next = kind === 0 ? -1 : value + kind;
  if (kind === LENGTH) {
    const size = lengthSize(bytes, value, end);
    next = size > 0 ? value + size : -1;
  } else if (kind === DATA) next = dataEnd(bytes, value, end);
  else if (kind === PAIR) next = dataEnd(bytes, dataEnd(bytes, value, end), end);
  return next > end ? -1 : next;
}

/** Whether bytes `at` to `end` are properties, with their length before them. */
export function areProperties(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at + lengthSize(bytes, at, end);
  while (next >= 0 && next < end) next = propertyEnd(bytes, next, end);
  return next === end;
}

/** The value of the property `id`, a number of up to four bytes, among those from `at` to `end`, which are sound; -1 for none. */
export function numberProperty(bytes: Uint8Array, at: number, end: number, id: number): number {
  for (let next = at + lengthSize(bytes, at, end); next < end; next = propertyEnd(bytes, next, end)) {
    if (bytes[next] !== id) continue;
    let value = 0;
    for (let place = next + 1; place < propertyEnd(bytes, next, end); place++) value = value * 256 + bytes[place]!;
    return value;
  }
  return -1;
}
