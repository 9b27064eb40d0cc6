// WebSocket frames: opcodes, header parsing, and encoding of complete frames.
// @see RFC 6455, section 5.2

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

/** Close codes (RFC 6455, section 7.4.1) used by either side. */
export const CLOSE = {
  normal: 1000,
  goingAway: 1001,
  protocolError: 1002,
  none: 1005,
  notUtf8: 1007,
  policyViolation: 1008,
  tooBig: 1009,
  /** This code is also sent to a peer that has stopped answering pings, as many libraries do. */
  internalError: 1011,
} as const;

export const FIN = 0x80;
export const RESERVED = 0x70;
export const MASKED = 0x80;
/** Maximum content length of a control frame. */
export const LONGEST_CONTROL = 125;

/** Values of a header's length field that announce an extended length. */
const [IN_16_BITS, IN_64_BITS] = [126, 127];

/** Returns the length of a header, given its second byte. */
export function headerLength(second: number): number {
  const short = second & 0x7f;
  return 2 + (short === IN_64_BITS ? 8 : short === IN_16_BITS ? 2 : 0) + (second & MASKED ? 4 : 0);
}

/** Returns the content length from the header at `at`, or Infinity if it exceeds 32 bits. */
export function contentLength(bytes: Uint8Array, at: number): number {
  const short = bytes[at + 1]! & 0x7f;
  if (short < IN_16_BITS) return short;
  if (short === IN_16_BITS) return (bytes[at + 2]! << 8) | bytes[at + 3]!;
  if (uint32At(bytes, at + 2) > 0) return Number.POSITIVE_INFINITY;
  return uint32At(bytes, at + 6);
}

export function uint32At(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/**
 * Writes the header of an unmasked frame.
 * @returns end of the header
 */
export function writeHeader(bytes: Uint8Array, at: number, first: number, length: number): number {
  bytes[at] = first;
  if (length < IN_16_BITS) {
    bytes[at + 1] = length;
    return at + 2;
  }
  const wide = length > 0xffff;
  bytes[at + 1] = wide ? IN_64_BITS : IN_16_BITS;
  let next = at + 2;
  if (wide) {
    bytes.fill(0, next, next + 4);
    bytes[next + 4] = length >>> 24;
    bytes[next + 5] = length >>> 16;
    next += 6;
  }
  bytes[next] = length >>> 8;
  bytes[next + 1] = length;
  return next + 2;
}

/**
 * Encodes a complete frame with FIN.
 *
 * @param key four-byte mask, for a client's frame
 */
export function makeFrame(opcode: number, content: Uint8Array, key?: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(14 + content.length);
  let at = writeHeader(bytes, 0, FIN | opcode, content.length);
  if (key) {
    bytes[1]! |= MASKED;
    bytes.set(key, at);
    at += 4;
  }
  for (let n = 0; n < content.length; n++) bytes[at + n] = content[n]! ^ (key?.[n % 4] ?? 0);
  return bytes.slice(0, at + content.length);
}

/** Returns the content of a Close frame with a code and no reason. */
export function closeContent(code: number): Uint8Array {
  return code === CLOSE.none ? new Uint8Array(0) : Uint8Array.of(code >>> 8, code);
}

/**
 * Returns whether a peer may send this close code. The other codes are reserved or never sent (RFC 6455, section
 * 7.4).
 */
export function isCloseCode(code: number): boolean {
  if (code >= 3000) return code < 5000;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
