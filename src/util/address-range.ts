// Parses ranges of IP addresses, as given in options and filters: lists, `a-b`, CIDR.
import { addToIp, fromInteger, type IpAddress, parseIp, toInteger } from "./address.js";
import { AppError } from "./errors.js";
import { quoted } from "./printable.js";

/**
 * A range of `count` consecutive addresses starting at `first`. Above 2^53, `count` is a power of two and `first` a
 * multiple of it.
 */
export interface AddressRange {
  readonly first: IpAddress;
  readonly count: number;
}

const MAX_RANGE = 2 ** 24;

/**
 * Parses addresses in an option: a single one (`10.0.0.1`), a list (`10.0.0.1,10.0.0.9`), a range
 * (`10.0.0.1-10.0.0.20`) or CIDR (`10.0.0.0/24`, which excludes the network and broadcast addresses of IPv4).
 *
 * @throws {AppError} E_ADDRESS if a part is invalid or contains more than 16,777,216 addresses
 */
export function parseAddressRanges(text: string): AddressRange[] {
  if (typeof text !== "string") {
    throw new AppError("E_ADDRESS", "addresses must be strings", {
      fix: "write them as 10.0.0.1-10.0.0.20 or 10.0.0.0/24",
    });
  }
  return parseRanges(text, (piece) => {
    const { network, bits } = parseCidr(piece);
    const hasEdges = network.family === 4 && bits > 1;
    return checkedRange(hasEdges ? addToIp(network, 1) : network, hasEdges ? 2 ** bits - 2 : 2 ** bits, piece);
  });
}

/** Returns whether a value is a range as returned by parseAddressRanges(). */
export function isAddressRange(value: unknown): value is AddressRange {
  const { first, count } = (value ?? {}) as { first?: Partial<IpAddress>; count?: unknown };
  const length = first?.family === 4 ? 4 : first?.family === 6 ? 16 : undefined;
  return first?.bytes instanceof Uint8Array && first.bytes.length === length && Number(count) >= 1;
}

/**
 * Parses addresses in a filter: like parseAddressRanges(), but a CIDR block includes all its addresses and may have any
 * size.
 *
 * @throws {AppError} E_ADDRESS if a part is invalid, or if a range other than a block contains more than 16,777,216
 *   addresses
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
    // A zone on either end applies to both.
    const zone = start.zone ?? last.zone;
    if (last.zone !== undefined && last.zone !== zone) throw notOneRange(piece);
    const first = zone === undefined ? start : { ...start, zone };
    const count = Number(toInteger(last) - toInteger(first)) + 1;
    if (first.family !== last.family || count < 1) {
      throw new AppError("E_ADDRESS", `the address range ${quoted(piece)} is reversed`, {
        fix: "put the lower address first",
      });
    }
    return checkedRange(first, count, piece);
  });
}

/**
 * Splits a range into its ends. A hyphen in an interface name (`fe80::1%br-lan`) does not separate a range, because no
 * address follows it.
 */
function splitRange(piece: string): readonly [string, string?, ...string[]] {
  if (!piece.includes("%")) return piece.split("-") as [string, string?];
  const [, from, to] = /^(.+?)-([\da-f:.]*:[\da-f:.]*(?:%.+)?)$/i.exec(piece) ?? [];
  return from === undefined ? [piece] : [from, to];
}

/** @returns first address of the block, and the number of host bits */
function parseCidr(text: string): { readonly network: IpAddress; readonly bits: number } {
  const [ip, prefixText, ...more] = text.split("/") as [string, string];
  if (more.length > 0) throw notOneRange(text);
  const address = parseIp(ip);
  const length = address.bytes.length * 8;
  const prefix = /^\d+$/.test(prefixText) ? Number(prefixText) : -1;
  if (prefix < 0 || prefix > length) {
    throw new AppError("E_ADDRESS", `${quoted(text)} is not a CIDR block`, {
      fix: `use a prefix from 0 to ${length}`,
    });
  }
  const bits = length - prefix;
  const network = fromInteger((toInteger(address) >> BigInt(bits)) << BigInt(bits), address.family);
  return { network: { ...address, bytes: network.bytes }, bits };
}

function notOneRange(text: string): AppError {
  return new AppError("E_ADDRESS", `${quoted(text)} is not an address range`, {
    fix: "write it as 10.0.0.1-10.0.0.20 or 10.0.0.0/24; separate several with commas",
  });
}

function checkedRange(first: IpAddress, count: number, text: string): AddressRange {
  if (count > MAX_RANGE) {
    throw new AppError("E_ADDRESS", `too many addresses: ${quoted(text)}`, {
      fix: "use a smaller range",
    });
  }
  return { first, count };
}
