// IPv4, IPv6 and TCP headers in a buffer: parses received segments, and computes checksums in both directions.

export const FLAG = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** What a packet contains, as returned by the parser. */
export const PACKET = { tcp: 0, icmp: 1, other: 2, malformed: 3, badChecksum: 4 } as const;

export const TCP_HEADER = 20;
const V4_HEADER = 20;
export const V6_HEADER = 40;
export const PROTOCOL = { icmp: 1, tcp: 6, icmpV6: 58 } as const;
const ROUTING = 43;
/** Extension headers that precede TCP: hop-by-hop options, routing, destination options. */
const EXTENSIONS: readonly number[] = [0, ROUTING, 60];
const OPTION = { end: 0, nop: 1, mss: 2, windowScale: 3 } as const;
/** Largest shift of a window (RFC 7323). */
const MAX_SHIFT = 14;

export function get16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

export function get32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

export function put32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/**
 * Folds a sum of 16-bit words into 16 bits (RFC 1071).
 * @param sum below 2^31
 */
export function fold(sum: number): number {
  const once = (sum & 0xffff) + (sum >>> 16);
  return (once & 0xffff) + (once >>> 16);
}

/** Returns the sum of `length` bytes as big-endian 16-bit words; the last byte of an odd length is padded. */
export function sumOf(bytes: Uint8Array, at: number, length: number): number {
  let sum = 0;
  const even = at + (length & ~1);
  let i = at;
  for (; i < even; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if (length & 1) sum += bytes[i]! << 8;
  return sum;
}

/**
 * Returns the length of an IP header without options: 20 for IPv4, 40 for IPv6.
 */
export function ipHeaderBytes(family: 4 | 6): number {
  return family === 4 ? V4_HEADER : V6_HEADER;
}

/** The segment being handled. Reused for every packet. */
export class Segment {
  bytes: Uint8Array = new Uint8Array(0);
  family: 4 | 6 = 4;
  /** Offsets of the addresses and of the TCP header in `bytes`. */
  sourceAt = 0;
  destinationAt = 0;
  tcpAt = 0;
  sourcePort = 0;
  destinationPort = 0;
  seq = 0;
  ack = 0;
  flags = 0;
  window = 0;
  payloadAt = 0;
  payloadLength = 0;
  /** Offset and length of the transport header and data, set for any protocol. */
  private at = 0;
  private length = 0;
  private headerLength = 0;

  /**
   * Reads a packet.
   *
   * @param isTrusted whether the TCP checksum has been verified elsewhere, or was never computed
   * @returns one of PACKET
   */
  read(bytes: Uint8Array, at: number, length: number, isTrusted: boolean): number {
    this.bytes = bytes;
    const protocol =
      length < V4_HEADER ? -1 : bytes[at]! >>> 4 === 4 ? this.readV4(at, length) : this.readV6(at, length);
    if (protocol < 0) return PACKET.malformed;
    if (protocol === (this.family === 4 ? PROTOCOL.icmp : PROTOCOL.icmpV6)) return this.readIcmp();
    return protocol === PROTOCOL.tcp ? this.readTcp(isTrusted) : PACKET.other;
  }

  /** @returns the protocol, or -1 */
  private readV4(at: number, length: number): number {
    const { bytes } = this;
    const header = (bytes[at]! & 15) << 2;
    const total = get16(bytes, at + 2);
    if (header < V4_HEADER || total < header || total > length) return -1;
    this.family = 4;
    this.sourceAt = at + 12;
    this.destinationAt = at + 16;
    this.at = at + header;
    this.length = total - header;
    // Drop fragments: this side sets DF, and never announces a segment size that needs fragments.
    return (get16(bytes, at + 6) & 0x3fff) === 0 ? bytes[at + 9]! : 0xff;
  }

  private readV6(at: number, length: number): number {
    const { bytes } = this;
    if (bytes[at]! >>> 4 !== 6 || length < V6_HEADER) return -1;
    const payload = get16(bytes, at + 4);
    if (V6_HEADER + payload > length) return -1;
    this.family = 6;
    this.sourceAt = at + 8;
    this.destinationAt = at + 24;
    this.at = at + V6_HEADER;
    this.length = payload;
    return this.skipExtensions(bytes[at + 6]!);
  }

  /** Moves on to the header after the extension headers (RFC 8200). @returns its protocol, or -1 */
  private skipExtensions(first: number): number {
    const { bytes } = this;
    let protocol = first;
    while (EXTENSIONS.includes(protocol)) {
      const { at, length } = this;
      if (length < 8) return -1;
      // With segments left, the packet is on its way to another destination.
      if (protocol === ROUTING && bytes[at + 3] !== 0) return -1;
      const skipped = (bytes[at + 1]! + 1) * 8;
      if (skipped > length) return -1;
      protocol = bytes[at]!;
      this.at = at + skipped;
      this.length = length - skipped;
    }
    return protocol;
  }

  private readTcp(isTrusted: boolean): number {
    const { bytes, at, length } = this;
    if (length < TCP_HEADER) return PACKET.malformed;
    const offsetAndFlags = get16(bytes, at + 12);
    const header = (offsetAndFlags >>> 12) << 2;
    if (header < TCP_HEADER || header > length) return PACKET.malformed;
    if (!isTrusted && this.checksum(PROTOCOL.tcp) !== 0xffff) return PACKET.badChecksum;
    this.tcpAt = at;
    this.sourcePort = get16(bytes, at);
    this.destinationPort = get16(bytes, at + 2);
    // Port 0 is reserved. ServerEndpoints uses it for connections that have ended.
    if (this.sourcePort === 0 || this.destinationPort === 0) return PACKET.malformed;
    this.seq = get32(bytes, at + 4);
    this.ack = get32(bytes, at + 8);
    this.flags = offsetAndFlags & 0x1f;
    this.window = get16(bytes, at + 14);
    this.headerLength = header;
    this.payloadAt = at + header;
    this.payloadLength = length - header;
    return PACKET.tcp;
  }

  /** An ICMP message contains the start of the packet that caused it, from `payloadAt`. */
  private readIcmp(): number {
    if (this.length < 8 + V4_HEADER) return PACKET.other;
    const sum = this.family === 4 ? fold(sumOf(this.bytes, this.at, this.length)) : this.checksum(PROTOCOL.icmpV6);
    if (sum !== 0xffff) return PACKET.badChecksum;
    this.payloadAt = this.at + 8;
    this.payloadLength = this.length - 8;
    return PACKET.icmp;
  }

  /** Returns the sum over pseudo-header and data: 0xffff if the checksum is correct. */
  private checksum(protocol: number): number {
    const { bytes, sourceAt, at, length } = this;
    // The two addresses are adjacent.
    const addresses = sumOf(bytes, sourceAt, this.family === 4 ? 8 : 32);
    return fold(addresses + protocol + length + sumOf(bytes, at, length));
  }

  /** Returns type << 8 | code of an ICMP message. */
  get icmpKind(): number {
    return get16(this.bytes, this.at);
  }

  /** Returns the last word of an ICMP message's header, which is the MTU in messages that have one. */
  get icmpMtu(): number {
    return this.family === 4 ? get16(this.bytes, this.at + 6) : get32(this.bytes, this.at + 4);
  }

  /** Returns the maximum segment size that a SYN announces; 0 for none. */
  get mss(): number {
    const at = this.findOption(OPTION.mss, 4);
    return at < 0 ? 0 : get16(this.bytes, at + 2);
  }

  /** Returns the shift of the windows that a SYN announces; -1 for none. */
  get windowShift(): number {
    const at = this.findOption(OPTION.windowScale, 3);
    return at < 0 ? -1 : Math.min(this.bytes[at + 2]!, MAX_SHIFT);
  }

  private findOption(kind: number, length: number): number {
    const { bytes, tcpAt } = this;
    const end = tcpAt + this.headerLength;
    for (let at = tcpAt + TCP_HEADER; at < end; ) {
      const found = bytes[at]!;
      if (found === OPTION.end) return -1;
      if (found === OPTION.nop) {
        at++;
        continue;
      }
      const size = at + 1 < end ? bytes[at + 1]! : 0;
      if (size < 2 || at + size > end) return -1;
      if (found === kind && size === length) return at;
      at += size;
    }
    return -1;
  }
}

/**
 * Writes the options of a SYN: the maximum segment size and, if `hasScale`, a window shift of 0.
 * @returns their length
 */
export function writeSynOptions(bytes: Uint8Array, at: number, mss: number, hasScale: boolean): number {
  put32(bytes, at, (OPTION.mss << 24) | (4 << 16) | mss);
  if (!hasScale) return 4;
  put32(bytes, at + 4, (OPTION.nop << 24) | (OPTION.windowScale << 16) | (3 << 8));
  return 8;
}
