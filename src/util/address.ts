// IP addresses as text and as bytes.
import ipaddr from "ipaddr.js";
import { AppError } from "./errors.js";
import { quoted } from "./printable.js";

export type Family = 4 | 6;

/** An IP address: 4 or 16 bytes in network order. */
export interface IpAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
  /** Interface name or number of a link-local IPv6 address (RFC 4007). */
  readonly zone?: string;
}

/**
 * Parses an IP address in its usual text form.
 *
 * @throws {AppError} E_ADDRESS if the text is not an IP address
 */
export function parseIp(text: string): IpAddress {
  const { bare, zone } = splitZone(text.trim().replace(/^\[(.*)\]$/, "$1"));
  const isV4 = zone === undefined && ipaddr.IPv4.isValidFourPartDecimal(bare);
  if (!isV4 && !ipaddr.IPv6.isValid(bare)) {
    throw new AppError("E_ADDRESS", `${quoted(text)} is not an IP address`, { fix: "write it as 127.0.0.2 or ::1" });
  }
  const bytes = Uint8Array.from((isV4 ? ipaddr.IPv4.parse(bare) : ipaddr.IPv6.parse(bare)).toByteArray());
  return { family: isV4 ? 4 : 6, bytes, ...(zone === undefined ? {} : { zone }) };
}

/** Returns whether a text is an IPv6 address, with or without a zone. */
export function isIpv6(text: string): boolean {
  return ipaddr.IPv6.isValid(splitZone(text).bare);
}

/** Returns whether a text is an IPv4 address in four decimal parts, or an IPv6 address. */
export function isIp(text: string): boolean {
  return ipaddr.IPv4.isValidFourPartDecimal(text) || isIpv6(text);
}

/** Splits `fe80::1%eth0` into address and zone. An empty zone stays part of the address and makes it invalid. */
export function splitZone(text: string): { readonly bare: string; readonly zone?: string } {
  const [, bare, zone] = /^([^%]*)%(.+)$/.exec(text) ?? [];
  return bare === undefined || zone === undefined ? { bare: text } : { bare, zone };
}

/** Returns the address `offset` places after `address`. */
export function addToIp(address: IpAddress, offset: number): IpAddress {
  const bytes = Uint8Array.from(address.bytes);
  let carry = offset;
  for (let i = bytes.length - 1; i >= 0 && carry > 0; i--) {
    carry += bytes[i]!;
    bytes[i] = carry % 256;
    carry = Math.floor(carry / 256);
  }
  return { ...address, bytes };
}

/** Converts an IPv4-mapped address (`::ffff:10.0.0.1`) to IPv4. Other addresses are returned unchanged. */
export function unmapIp(address: IpAddress): IpAddress {
  const parsed = ipaddr.fromByteArray([...address.bytes]);
  if (!(parsed instanceof ipaddr.IPv6) || !parsed.isIPv4MappedAddress()) return address;
  return { family: 4, bytes: address.bytes.slice(12) };
}

/** Formats an address: `127.0.0.1`, `::1`, `fe80::1%eth0`. An IPv4-mapped address is formatted as IPv4. */
export function formatIp(address: IpAddress): string {
  const parsed = ipaddr.fromByteArray([...address.bytes]);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString();
  const text = parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString();
  return address.zone === undefined ? text : `${text}%${address.zone}`;
}

/** Returns whether the address is a loopback address: 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  return ipaddr.fromByteArray([...address.bytes]).range() === "loopback";
}

/**
 * Returns whether the address is in fe80::/10. Link-local addresses are unique only on one link, so they need a
 * zone.
 */
export function isLinkLocal({ family, bytes }: IpAddress): boolean {
  return family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}

/** Converts an address to a number. */
export function toInteger(address: IpAddress): bigint {
  return address.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** Converts a number to an address. */
export function fromInteger(value: bigint, family: Family): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return { family, bytes };
}
