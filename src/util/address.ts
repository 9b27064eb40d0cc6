// IP addresses, endpoints and ranges as text and as numbers, and the 4-tuple that names a connection.
// Resolving host names is left to the roles; bytes for the kernel are left to sys/.
import { createRequire } from "node:module";
import { AppError } from "./errors.js";
import { quoted, shortened } from "./printable.js";

// Required, not imported: Node reads a CommonJS module's source for its exports' names before it imports it, which
// would cost every thread more than the module itself.
const ipaddr: typeof import("ipaddr.js") = createRequire(import.meta.url)("ipaddr.js");

export type Family = 4 | 6;

/** One IP address: 4 or 16 bytes in network order. */
export interface IpAddress {
  readonly family: Family;
  readonly bytes: Uint8Array;
  /** Of a link-local IPv6 address (RFC 4007): the interface, by name or number. */
  readonly zone?: string;
}

/** `count` addresses that follow each other, beginning with `first`; above 2^53 a power of two, and `first` a multiple of it. */
export interface AddressRange {
  readonly first: IpAddress;
  readonly count: number;
}

/** A run of ports, both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** What a person wrote as `host:port` or `host:first-last`; the host is still a name or an address. */
export interface HostPorts {
  readonly host: string;
  readonly ports: PortRange;
}

/** What names a TCP connection (RFC 9293): no two can be alike at the same time. */
export interface FourTuple {
  readonly sourceIp: string;
  readonly sourcePort: number;
  readonly destinationIp: string;
  readonly destinationPort: number;
}

export const DEFAULT_HOST = "127.0.0.1";
const MAX_RANGE = 2 ** 24;

/**
 * Parses `host:port`, `[::1]:7777`, `host:7777-7786`, and `:7777` or `7777`, which mean 127.0.0.1.
 *
 * @param options.anyPort allow port 0, with which a server lets the kernel choose
 * @throws {AppError} E_ADDRESS when it is none of these
 */
export function parseHostPorts(text: string, options: { anyPort?: boolean } = {}): HostPorts {
  const bracketed = /^\[([^\]]+)\]:([^:]+)$/.exec(text);
  const plain = /^(?:([^:[\]]*):)?([^:]+)$/.exec(text);
  const host = bracketed ? bracketed[1]! : plain?.[1] || DEFAULT_HOST;
  const ports = bracketed?.[2] ?? plain?.[2];
  if (/^[^:[\]\s]+:?$/.test(text) && !/^[\d-]+$/.test(text)) {
    throw new AppError("E_ADDRESS", `${quoted(text)} has no port`, {
      fix: `write it as ${shortened(text.replace(/:$/, ""))}:7777`,
    });
  }
  if (ports === undefined || /\s/.test(host)) throw badEndpoint(text);
  if (bracketed && !ipaddr.IPv6.isValid(splitZone(host).bare)) throw badEndpoint(text);
  return { host, ports: parsePorts(ports, text, options.anyPort ? 0 : 1) };
}

/**
 * Parses a port or a range of ports: `7777`, `1024-65535`.
 *
 * @throws {AppError} E_ADDRESS when a port lies outside `min` to 65,535 or the range runs backwards
 */
export function parsePorts(text: string, whole = text, min = 1): PortRange {
  const match = /^(\d+)(?:-(\d+))?$/.exec(text.trim());
  if (!match) throw badEndpoint(whole);
  const first = Number(match[1]);
  const last = Number(match[2] ?? match[1]);
  for (const digits of [match[1]!, match[2] ?? match[1]!]) {
    const port = Number(digits);
    if (port < min || port > 65535) {
      // In its own digits: as a number it may be Infinity.
      throw new AppError("E_ADDRESS", `port ${shortened(digits, 24)} in ${quoted(whole)} does not exist`, {
        fix: `a TCP port is 16 bits: give one from ${min} to 65535`,
        facts: { port: Math.min(port, Number.MAX_SAFE_INTEGER) },
      });
    }
  }
  if (last < first) {
    throw new AppError("E_ADDRESS", `the port range ${quoted(text)} runs backwards`, {
      fix: `write it as ${last}-${first}`,
    });
  }
  return { first, last };
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

/** The address behind `fe80::1%eth0` and its zone; an empty zone stays with the address, which is then none. */
export function splitZone(text: string): { readonly bare: string; readonly zone?: string } {
  const [, bare, zone] = /^([^%]*)%(.+)$/.exec(text) ?? [];
  return bare === undefined || zone === undefined ? { bare: text } : { bare, zone };
}

/**
 * Parses addresses as options give them: one (`10.0.0.1`), a list (`10.0.0.1,10.0.0.9`), a range
 * (`10.0.0.1-10.0.0.20`) or CIDR (`10.0.0.0/24`: without the network and broadcast addresses of IPv4).
 *
 * @throws {AppError} E_ADDRESS when a part is none of these, or more than 16,777,216 addresses
 */
export function parseAddressRanges(text: string): AddressRange[] {
  if (typeof text !== "string") {
    throw new AppError("E_ADDRESS", "addresses are given as text", {
      fix: "write them as 10.0.0.1-10.0.0.20 or 10.0.0.0/24",
    });
  }
  return parseRanges(text, (piece) => {
    const { network, bits } = parseCidr(piece);
    const hasEdges = network.family === 4 && bits > 1;
    return checkedRange(hasEdges ? addToIp(network, 1) : network, hasEdges ? 2 ** bits - 2 : 2 ** bits, piece);
  });
}

/** Whether a value is a range as parseAddressRanges() makes them. */
export function isAddressRange(value: unknown): value is AddressRange {
  const { first, count } = (value ?? {}) as { first?: Partial<IpAddress>; count?: unknown };
  const length = first?.family === 4 ? 4 : first?.family === 6 ? 16 : undefined;
  return first?.bytes instanceof Uint8Array && first.bytes.length === length && Number(count) >= 1;
}

/**
 * Parses addresses as filters give them: as parseAddressRanges(), but a CIDR block is the whole block, of any size.
 *
 * @throws {AppError} E_ADDRESS when a part is none of these, or a range that is no block has more than 16,777,216 addresses
 */
export function parseAddressBlocks(text: string): AddressRange[] {
  return parseRanges(text, (piece) => {
    const { network, bits } = parseCidr(piece);
    return { first: network, count: 2 ** bits };
  });
}

function parseRanges(text: string, parseBlock: (piece: string) => AddressRange): AddressRange[] {
  return text.split(",").map((part) => {
    const piece = part.trim();
    if (piece.includes("/")) return parseBlock(piece);
    const [from, to, ...more] = splitRange(piece);
    if (more.length > 0) throw notOneRange(piece);
    const start = parseIp(from);
    if (to === undefined) return { first: start, count: 1 };
    const last = parseIp(to);
    // One zone is both's.
    const zone = start.zone ?? last.zone;
    if (last.zone !== undefined && last.zone !== zone) throw notOneRange(piece);
    const first = zone === undefined ? start : { ...start, zone };
    const count = Number(toInteger(last) - toInteger(first)) + 1;
    if (first.family !== last.family || count < 1) {
      throw new AppError("E_ADDRESS", `the address range ${quoted(piece)} runs backwards`, {
        fix: "put the lower first",
      });
    }
    return checkedRange(first, count, piece);
  });
}

/** Both ends of a range. The hyphen of an interface's name (`fe80::1%br-lan`) is no range's: no address follows it. */
function splitRange(piece: string): readonly [string, string?, ...string[]] {
  if (!piece.includes("%")) return piece.split("-") as [string, string?];
  const [, from, to] = /^(.+?)-([\da-f:.]*:[\da-f:.]*(?:%.+)?)$/i.exec(piece) ?? [];
  return from === undefined ? [piece] : [from, to];
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

/** `127.0.0.1:7777`, `[::1]:7777`. */
export function formatEndpoint(ip: string, port: number): string {
  return ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
}

/** `127.0.0.2:40001 → 127.0.0.1:7777`. */
export function formatFourTuple(tuple: FourTuple): string {
  const source = formatEndpoint(tuple.sourceIp, tuple.sourcePort);
  return `${source} → ${formatEndpoint(tuple.destinationIp, tuple.destinationPort)}`;
}

/** Whether the address is this machine's own by definition: 127.0.0.0/8 or ::1. */
export function isLoopback(address: IpAddress): boolean {
  return ipaddr.fromByteArray([...address.bytes]).range() === "loopback";
}

/** Whether the address is of fe80::/10: it is one on each link, and so needs a zone. */
export function isLinkLocal({ family, bytes }: IpAddress): boolean {
  return family === 6 && bytes[0] === 0xfe && (bytes[1]! & 0xc0) === 0x80;
}

/** @returns the block's first address, and how many bits its addresses differ in */
function parseCidr(text: string): { readonly network: IpAddress; readonly bits: number } {
  const [ip, prefixText, ...more] = text.split("/") as [string, string];
  if (more.length > 0) throw notOneRange(text);
  const address = parseIp(ip);
  const length = address.bytes.length * 8;
  const prefix = /^\d+$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix < 0 || prefix > length) {
    throw new AppError("E_ADDRESS", `${quoted(text)} is not a CIDR block`, {
      fix: `give a prefix from 0 to ${length}`,
    });
  }
  const bits = length - prefix;
  const network = fromInteger((toInteger(address) >> BigInt(bits)) << BigInt(bits), address.family);
  return { network: { ...address, bytes: network.bytes }, bits };
}

function notOneRange(text: string): AppError {
  return new AppError("E_ADDRESS", `${quoted(text)} is not one range of addresses`, {
    fix: "write it as 10.0.0.1-10.0.0.20 or 10.0.0.0/24, and several with commas",
  });
}

function checkedRange(first: IpAddress, count: number, text: string): AddressRange {
  if (count > MAX_RANGE) {
    throw new AppError("E_ADDRESS", `${quoted(text)} names more addresses than can be used`, {
      fix: "give a smaller range",
    });
  }
  return { first, count };
}

function toInteger(address: IpAddress): bigint {
  return address.bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function fromInteger(value: bigint, family: Family): IpAddress {
  const bytes = new Uint8Array(family === 4 ? 4 : 16);
  let rest = value;
  for (let i = bytes.length - 1; i >= 0; i--) {
    bytes[i] = Number(rest & 255n);
    rest >>= 8n;
  }
  return { family, bytes };
}

function badEndpoint(text: string): AppError {
  return new AppError("E_ADDRESS", `${quoted(text)} is not an address of the form host:port`, {
    fix: "write it as 127.0.0.1:7777, [::1]:7777, example.org:7777 or :7777",
  });
}
