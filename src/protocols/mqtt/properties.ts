// Parses MQTT 5 properties: finds where each one ends, and reads the few that are used here. @see MQTT 5, 2.2.2
import { dataEnd, lengthSize } from "./packet.js";

export const PROPERTY = {
  sessionExpiry: 0x11,
  assignedClientId: 0x12,
  receiveMaximum: 0x21,
  maximumQos: 0x24,
  maximumPacketSize: 0x27,
} as const;

/** Encodings of values that are not numbers. The encoding of a number is its size in bytes. */
const [LENGTH, DATA, PAIR] = [5, 6, 7] as const;

/** Encoding by property identifier; 0 if there is no such property. */
const KINDS = new Uint8Array(128);
for (const id of [0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2a]) KINDS[id] = 1;
for (const id of [0x13, 0x21, 0x22, 0x23]) KINDS[id] = 2;
for (const id of [0x02, 0x11, 0x18, 0x27]) KINDS[id] = 4;
for (const id of [0x03, 0x08, 0x09, 0x12, 0x15, 0x16, 0x1a, 0x1c, 0x1f]) KINDS[id] = DATA;
KINDS[0x0b] = LENGTH;
KINDS[0x26] = PAIR;

/** Returns the end of the property at `at`; -1 if it is unknown or continues past `end`. */
export function propertyEnd(bytes: Uint8Array, at: number, end: number): number {
  // No identifier that is in use is longer than one byte.
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

/** Whether bytes `at` to `end` are a length followed by valid properties. */
export function areProperties(bytes: Uint8Array, at: number, end: number): boolean {
  let next = at + lengthSize(bytes, at, end);
  while (next >= 0 && next < end) next = propertyEnd(bytes, next, end);
  return next === end;
}

/** Returns the value of the numeric property `id` in the valid properties from `at` to `end`; -1 if it is absent. */
export function numberProperty(bytes: Uint8Array, at: number, end: number, id: number): number {
  for (let next = at + lengthSize(bytes, at, end); next < end; next = propertyEnd(bytes, next, end)) {
    if (bytes[next] !== id) continue;
    let value = 0;
    for (let place = next + 1; place < propertyEnd(bytes, next, end); place++) value = value * 256 + bytes[place]!;
    return value;
  }
  return -1;
}
