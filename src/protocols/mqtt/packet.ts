// The byte format of MQTT control packets that 3.1.1 and 5 share: types, the fixed header, lengths and strings.
// @see MQTT 5, 1.5 and 2.1
import { checkUtf8, UTF8_ACCEPT } from "../utf8.js";

export const PACKET = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
} as const;

/** Protocol levels, as sent in CONNECT. */
export const VERSION = { "3.1.1": 4, "5": 5 } as const;
export type MqttVersion = keyof typeof VERSION;

/** Maximum size of a fixed header: one byte, and a length of up to four bytes. */
export const LONGEST_HEADER = 5;

/** Low nibble of the first byte of SUBSCRIBE, UNSUBSCRIBE and PUBREL; 0 in all others except PUBLISH. */
const RESERVED = 2;
const HAVE_RESERVED = (1 << PACKET.subscribe) | (1 << PACKET.unsubscribe) | (1 << PACKET.pubrel);

/** The first byte of a packet other than PUBLISH. */
export function firstByte(type: number): number {
  return (type << 4) | ((HAVE_RESERVED >> type) & 1 ? RESERVED : 0);
}

/** Whether a packet may begin with this byte (MQTT 5, 2.1.3). */
export function isFirstByte(first: number): boolean {
  const type = first >> 4;
  if (type !== PACKET.publish) return type !== 0 && first === firstByte(type);
  const qos = qosOf(first);
  // Quality of service 3 does not exist, and the DUP flag is not allowed with 0.
  return qos < 3 && (qos > 0 || (first & 8) === 0);
}

/** The quality of service of a PUBLISH. */
export function qosOf(first: number): number {
  return (first >> 1) & 3;
}

/** Returns the size of the length field at `at`: 1 to 4 bytes; 0 if it continues past `end`, -1 if it is invalid. */
export function lengthSize(bytes: Uint8Array, at: number, end: number): number {
  for (let size = 1; size <= 4; size++) {
    if (at + size > end) return 0;
    if (bytes[at + size - 1]! < 0x80) return size;
  }
  return -1;
}

/** Returns the length at `at`, which must be complete. */
export function lengthAt(bytes: Uint8Array, at: number): number {
  let length = 0;
  for (let n = 0; ; n++) {
    const byte = bytes[at + n]!;
    length |= (byte & 0x7f) << (7 * n);
    if (byte < 0x80) return length;
  }
}

/**
 * @returns the index after the length
 */
export function writeLength(bytes: Uint8Array, at: number, length: number): number {
  let rest = length;
  let next = at;
  for (; rest >= 0x80; rest >>= 7) bytes[next++] = (rest & 0x7f) | 0x80;
  bytes[next] = rest;
  return next + 1;
}

/** Returns the number of bytes that writeLength() would write. */
export function sizeOfLength(length: number): number {
  return length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x20_0000 ? 3 : 4;
}

/**
 * Writes a fixed header right before `body`.
 * @returns the index of the header's first byte
 */
export function writeHeaderBefore(bytes: Uint8Array, body: number, first: number, length: number): number {
  const start = body - 1 - sizeOfLength(length);
  bytes[start] = first;
  writeLength(bytes, start + 1, length);
  return start;
}

export function uint16At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function writeUint16(bytes: Uint8Array, at: number, value: number): number {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
  return at + 2;
}

/** Returns the end of the length-prefixed binary data at `at`; -1 if it is past `end`. */
export function dataEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at < 0 || at + 2 > end) return -1;
  const next = at + 2 + uint16At(bytes, at);
  return next > end ? -1 : next;
}

/** Returns the end of the length-prefixed properties at `at`; -1 if it is past `end` or the length is invalid. */
export function propertiesEnd(bytes: Uint8Array, at: number, end: number): number {
  if (at < 0) return -1;
  const size = lengthSize(bytes, at, end);
  if (size <= 0) return -1;
  const next = at + size + lengthAt(bytes, at);
  return next > end ? -1 : next;
}

/** Returns whether these bytes are a valid MQTT string: UTF-8 without U+0000 (MQTT 5, 1.5.4). */
export function isText(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === 0) return false;
  return checkUtf8(UTF8_ACCEPT, bytes, start, end) === UTF8_ACCEPT;
}

const [PLUS, HASH] = [0x2b, 0x23];

/**
 * Returns whether a message can be published to this topic, that is, whether it has characters but no wildcards (MQTT
 * 5, 4.7).
 */
export function isTopicName(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === PLUS || bytes[at] === HASH) return false;
  return end > start;
}
