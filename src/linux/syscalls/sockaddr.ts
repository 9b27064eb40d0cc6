// struct sockaddr_in and sockaddr_in6 (ip(7), ipv6(7)): addresses and ports in the kernel's format.
import type { Family, IpAddress } from "../../util/address.js";
import { formatIp, isLinkLocal } from "../../util/address.js";
import { AF_INET, AF_INET6 } from "./constants.js";
import { interfaceIndex, interfaceName } from "./interface-names.js";
import { NativeBuffer } from "./libc.js";

/** Large enough for either family. */
export const SOCKADDR_SIZE = 28;
const PORT_OFFSET = 2;
const SCOPE_OFFSET = 24;

/** Returns the size of a family's sockaddr: 16 or 28. */
export function sockaddrLength(family: Family): number {
  return family === 4 ? 16 : 28;
}

/** Returns the offset of the address in a family's sockaddr. */
function ipOffset(family: Family): number {
  return family === 4 ? 4 : 8;
}

/** A sockaddr in native memory. The hot path changes its port and address in place. */
export class SocketAddress {
  readonly family: Family;
  readonly length: number;
  readonly address: number;
  /** The sockaddr as words, for copying. */
  readonly words: Int32Array;
  private readonly bytes: Buffer;

  constructor(ip: IpAddress, port: number) {
    const native = new NativeBuffer(SOCKADDR_SIZE);
    this.family = ip.family;
    this.length = sockaddrLength(ip.family);
    this.address = native.address;
    this.bytes = native.bytes;
    this.words = new Int32Array(native.bytes.buffer, native.bytes.byteOffset, SOCKADDR_SIZE / 4);
    encodeSockaddr(native.bytes, ip, port);
  }

  setPort(port: number): void {
    this.bytes[PORT_OFFSET] = port >>> 8;
    this.bytes[PORT_OFFSET + 1] = port & 0xff;
  }

  setIp(ip: IpAddress): void {
    this.bytes.set(ip.bytes, ipOffset(this.family));
    if (this.family === 6) this.bytes.writeUInt32LE(scopeOf(ip), SCOPE_OFFSET);
  }
}

/** Writes a sockaddr for `ip` and `port` at the start of `bytes`. */
export function encodeSockaddr(bytes: Buffer, ip: IpAddress, port: number): void {
  bytes.fill(0, 0, sockaddrLength(ip.family));
  // The family is in host byte order: little-endian on both supported processors.
  bytes.writeUInt16LE(ip.family === 4 ? AF_INET : AF_INET6, 0);
  bytes.writeUInt16BE(port, PORT_OFFSET);
  bytes.set(ip.bytes, ipOffset(ip.family));
  if (ip.family === 6) bytes.writeUInt32LE(scopeOf(ip), SCOPE_OFFSET);
}

/** Returns sin6_scope_id, in host byte order. */
function scopeOf({ zone }: IpAddress): number {
  return zone === undefined ? 0 : interfaceIndex(zone);
}

/**
 * Reads the sockaddr at the start of `bytes`.
 *
 * @returns undefined if the sockaddr has another family
 */
export function decodeSockaddr(bytes: Buffer): { ip: IpAddress; port: number } | undefined {
  const number = bytes.readUInt16LE(0);
  if (number !== AF_INET && number !== AF_INET6) return undefined;
  const family: Family = number === AF_INET ? 4 : 6;
  const start = ipOffset(family);
  const ip = { family, bytes: Uint8Array.from(bytes.subarray(start, start + (family === 4 ? 4 : 16))) };
  return { ip: withScope(ip, bytes), port: bytes.readUInt16BE(PORT_OFFSET) };
}

/** The kernel reports the interface only for link-local addresses. */
function withScope(ip: IpAddress, bytes: Buffer): IpAddress {
  const scope = isLinkLocal(ip) ? bytes.readUInt32LE(SCOPE_OFFSET) : 0;
  return scope === 0 ? ip : { ...ip, zone: interfaceName(scope) ?? `${scope}` };
}

/** Formats the address and port in `bytes`. */
export function describeSockaddr(bytes: Buffer): { ip: string; port: number } {
  const decoded = decodeSockaddr(bytes);
  return decoded ? { ip: formatIp(decoded.ip), port: decoded.port } : { ip: "?", port: 0 };
}
