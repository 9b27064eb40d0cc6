// IP addresses as text and as bytes.
import ipaddr from "ipaddr.js";
import { AppError } from "./errors.js";
import { quoted } from "./printable.js";

export type Family = 4 | 6;

/** One IP address: 4 or 16 bytes in network order. */
export interface IpAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
  /** Of a link-local IPv6 address (RFC 4007): the interface, by name or number. */
  readonly zone?: string;
}

/**
 * Parses an IP address in its usual text form.
 *
 * @throws {AppError} E_ADDRESS when it is none
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

/** Whether a text is an IPv6 address, with a zone or without. */
export function isIpv6(text: string): boolean {
  return ipaddr.IPv6.isValid(splitZone(text).bare);
}

/** The address behind `fe80::1%eth0` and its zone; an empty zone stays with the address, which is then none. */
export function splitZone(text: string): { readonly bare: string; readonly zone?: string } {
  const [, bare, zone] = /^([^%]*)%(.+)$/.exec(text) ?? [];
  return bare === undefined || zone === undefined ? { bare: text } : { bare, zone };
}

/** The address `offset` places after `address`. */
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

/** An IPv4-mapped address (`::ffff:10.0.0.1`) as the IPv4 address that it stands for; others as they are. */
export function unmapIp(address: IpAddress): IpAddress {
  const parsed = ipaddr.fromByteArray([...address.bytes]);
  if (!(parsed instanceof ipaddr.IPv6) || !parsed.isIPv4MappedAddress()) return address;
  return { family: 4, bytes: address.bytes.slice(12) };
}

/** The usual text of an address: `127.0.0.1`, `::1`, `fe80::1%eth0`; an IPv4-mapped one as its IPv4 address. */
export function formatIp(address: IpAddress): string {
  const parsed = ipaddr.fromByteArray([...address.bytes]);
  if (parsed instanceof ipaddr.IPv6 && parsed.isIPv4MappedAddress()) return parsed.toIPv4Address().toString();
  const text = parsed instanceof ipaddr.IPv6 ? parsed.toRFC5952String() : parsed.toString();
  return address.zone === undefined ? text : `${text}%${address.zone}`;
}

/** Whether the address is this machine's own by definition: 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  return ipaddr.fromByteArray([...address.bytes]).range() === "loopback";
}

/** Whether the address is of fe80::/10: it is one on each link, and so needs a zone. */
export function isLinkLocal({ family, bytes }: IpAddress): boolean {
  return family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}

/** The address as a number. */
export function toInteger(address: IpAddress): bigint {
  return address.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

/** The address of a number. */
export function fromInteger(value: bigint, family: Family): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return { family, bytes };
}
