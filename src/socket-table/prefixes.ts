// Converts address ranges to prefixes, as needed by the kernel's bytecode.
import { addToIp, type Family, type IpAddress } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";

export interface Prefix {
  readonly family: Family;
  readonly prefix: Uint8Array;
  readonly prefixBits: number;
}

export interface ZonedPrefix extends Prefix {
  readonly zone?: string | undefined;
}

/** Like toPrefixes(), with the zone of the range. */
export function toZonedPrefixes(range: AddressRange): ZonedPrefix[] {
  return toPrefixes(range).map((prefix) => ({ ...prefix, zone: range.first.zone }));
}

/** Returns the smallest set of prefixes (CIDR blocks) that covers exactly a range. */
export function toPrefixes({ first, count }: AddressRange): Prefix[] {
  const bits = first.bytes.length * 8;
  const prefixes: Prefix[] = [];
  let left = count;
  for (let ip: IpAddress = first; left > 0; ) {
    let size = 2 ** trailingZeros(ip.bytes);
    while (size > left) size /= 2;
    prefixes.push({ family: first.family, prefix: ip.bytes, prefixBits: bits - Math.log2(size) });
    left -= size;
    if (left > 0) ip = addToIp(ip, size);
  }
  return prefixes;
}

function trailingZeros(bytes: Uint8Array): number {
  let zeros = 0;
  for (let i = bytes.length - 1; i >= 0; i--) {
    const byte = bytes[i]!;
    if (byte !== 0) return zeros + (31 - Math.clz32(byte & -byte));
    zeros += 8;
  }
  return zeros;
}

export function hasIpv4(addresses: readonly AddressRange[]): boolean {
  return addresses.some(({ first }) => first.family === 4);
}
