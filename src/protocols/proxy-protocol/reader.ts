// Reads the PROXY protocol header of a server's connections, however it is split. Nearly all headers arrive whole. The
// start of any other header is buffered, within a common limit for all connections.
import { formatIp, isIp, isIpv6, parseIp } from "../../util/address.js";
import { FAULT } from "../codes.js";
import { Leftovers } from "../leftovers.js";
import { matches, V1_LENGTH, V1_PREFIX, V2_COMMAND, V2_FAMILY, V2_FIXED_LENGTH, V2_SIGNATURE } from "./format.js";

/** Result of read() while the header is incomplete. */
export const PROXY_PARTIAL = -1;

/** Maximum length of the addresses and TLVs of version 2, as in nginx. */
const V2_LENGTH = 4096;
/** Length of the addresses of each family: unspecified, IPv4, IPv6, Unix sockets. */
const V2_ADDRESSES = [0, 12, 36, 216];
const LONGEST = V2_FIXED_LENGTH + V2_LENGTH;
const [CR, LF, SPACE, ZERO] = [13, 10, 32, 48];

export class ProxyReader {
  /** Version of the last complete header. */
  version = 0;
  /**
   * Whether that header names a client. Headers of the proxy's own health checks do not, nor do headers of families
   * other than IP.
   */
  hasClient = false;
  private readonly kept = new Leftovers();
  /** The client's address in the last header: text in version 1, binary in version 2. */
  private bytes: Uint8Array = new Uint8Array(0);
  private addressStart = 0;
  private addressEnd = 0;
  private port = 0;

  /**
   * Reads bytes `start` to `end` as the next part of the header of `slot`.
   *
   * @returns the header's end in `bytes`, PROXY_PARTIAL, or a FAULT (codes.ts) as a negative number
   */
  read(slot: number, bytes: Uint8Array, start: number, end: number): number {
    const { kept } = this;
    const before = kept.lengthOf(slot);
    const taken = Math.min(end - start, LONGEST - before);
    if (before === 0) {
      const length = this.parse(bytes, start, start + taken);
      return length >= 0 ? start + length : length < PROXY_PARTIAL ? length : this.keep(slot, bytes, start, taken);
    }
    if (this.keep(slot, bytes, start, taken) < PROXY_PARTIAL) return -FAULT.PROXY_HEADER_TOO_LONG;
    const length = this.parse(kept.bytesOf(slot), 0, before + taken);
    if (length === PROXY_PARTIAL) return PROXY_PARTIAL;
    kept.drop(slot);
    return length < 0 ? length : start + length - before;
  }

  /** Releases the buffer of `slot`. */
  drop(slot: number): void {
    this.kept.drop(slot);
  }

  /** Returns the client named by the last complete header; undefined unless `hasClient`. Allocates. */
  client(): { readonly ip: string; readonly port: number } | undefined {
    if (!this.hasClient) return undefined;
    const bytes = this.bytes.subarray(this.addressStart, this.addressEnd);
    const ip =
      this.version === 1
        ? parseIp(Buffer.from(bytes).toString("latin1"))
        : ({ family: bytes.length === 4 ? 4 : 6, bytes } as const);
    return { ip: formatIp(ip), port: this.port };
  }

  private keep(slot: number, bytes: Uint8Array, start: number, length: number): number {
    return this.kept.keep(slot, bytes, start, start + length) ? PROXY_PARTIAL : -FAULT.PROXY_HEADER_TOO_LONG;
  }

  /**
   * @returns the header's length, PROXY_PARTIAL, or a FAULT as a negative number
   */
  private parse(bytes: Uint8Array, start: number, end: number): number {
    const isV2 = bytes[start] === V2_SIGNATURE[0];
    const prefix = isV2 ? V2_SIGNATURE : V1_PREFIX;
    const length = end - start;
    if (!matches(bytes, start, prefix, Math.min(length, prefix.length))) return -FAULT.NO_PROXY_HEADER;
    return isV2 ? this.parseV2(bytes, start, length) : this.parseV1(bytes, start, length);
  }

  private parseV2(bytes: Uint8Array, start: number, length: number): number {
    if (length < V2_FIXED_LENGTH) return PROXY_PARTIAL;
    const [command, kind] = [bytes[start + 12]!, bytes[start + 13]!];
    const rest = bytes[start + 14]! * 256 + bytes[start + 15]!;
    if (command !== V2_COMMAND.local && command !== V2_COMMAND.proxy) return -FAULT.BAD_PROXY_HEADER;
    // The lower bits stand for unspecified, stream or datagram. With LOCAL, the family is ignored.
    const addresses = command === V2_COMMAND.local ? 0 : V2_ADDRESSES[kind >> 4];
    if (addresses === undefined || rest < addresses) return -FAULT.BAD_PROXY_HEADER;
    if (command === V2_COMMAND.proxy && (kind & 15) > 2) return -FAULT.BAD_PROXY_HEADER;
    if (rest > V2_LENGTH) return -FAULT.PROXY_HEADER_TOO_LONG;
    if (length < V2_FIXED_LENGTH + rest) return PROXY_PARTIAL;
    this.version = 2;
    this.hasClient = command === V2_COMMAND.proxy && (kind === V2_FAMILY.tcp4 || kind === V2_FAMILY.tcp6);
    if (this.hasClient) {
      const size = kind === V2_FAMILY.tcp4 ? 4 : 16;
      this.setAddress(bytes, start + V2_FIXED_LENGTH, start + V2_FIXED_LENGTH + size);
      const port = start + V2_FIXED_LENGTH + 2 * size;
      this.port = bytes[port]! * 256 + bytes[port + 1]!;
    }
    return V2_FIXED_LENGTH + rest;
  }

  private parseV1(bytes: Uint8Array, start: number, length: number): number {
    const end = start + Math.min(length, V1_LENGTH);
    let at = start + V1_PREFIX.length;
    while (at < end && bytes[at] !== LF) at++;
    if (at >= end) return length < V1_LENGTH ? PROXY_PARTIAL : -FAULT.PROXY_HEADER_TOO_LONG;
    if (bytes[at - 1] !== CR || !this.parseLine(bytes, start + V1_PREFIX.length, at - 1)) {
      return -FAULT.BAD_PROXY_HEADER;
    }
    this.version = 1;
    return at + 1 - start;
  }

  /**
   * Parses `TCP4 192.0.2.1 192.0.2.2 1024 80`, without the CRLF. The rest of a line that starts with UNKNOWN is
   * ignored.
   * @returns whether the line is valid
   */
  private parseLine(bytes: Uint8Array, start: number, end: number): boolean {
    const protocolEnd = fieldEnd(bytes, start, end);
    const protocol = textOf(bytes, start, protocolEnd);
    this.hasClient = false;
    if (protocol === "UNKNOWN") return true;
    if (protocol !== "TCP4" && protocol !== "TCP6") return false;
    const sourceEnd = fieldEnd(bytes, protocolEnd + 1, end);
    const destinationEnd = fieldEnd(bytes, sourceEnd + 1, end);
    const portEnd = fieldEnd(bytes, destinationEnd + 1, end);
    const port = portOf(bytes, destinationEnd + 1, portEnd);
    if (port < 0 || portOf(bytes, portEnd + 1, end) < 0) return false;
    const isValid = protocol === "TCP4" ? isIpv4 : isIpv6WithoutZone;
    if (!isValid(textOf(bytes, protocolEnd + 1, sourceEnd))) return false;
    if (!isValid(textOf(bytes, sourceEnd + 1, destinationEnd))) return false;
    this.hasClient = true;
    this.setAddress(bytes, protocolEnd + 1, sourceEnd);
    this.port = port;
    return true;
  }

  private setAddress(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.addressStart = start;
    this.addressEnd = end;
  }
}

/** Returns the position of the next space, or `end`. */
function fieldEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && bytes[at] !== SPACE) at++;
  return Math.min(at, end);
}

/** Returns the port in decimal digits from `start` to `end`, or -1. */
function portOf(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length < 1 || length > 5 || (bytes[start] === ZERO && length > 1)) return -1;
  let port = 0;
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO;
    if (digit < 0 || digit > 9) return -1;
    port = port * 10 + digit;
  }
  return port <= 65_535 ? port : -1;
}

function textOf(bytes: Uint8Array, start: number, end: number): string {
  let text = "";
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!);
  return text;
}

function isIpv4(text: string): boolean {
  return isIp(text) && !isIpv6(text);
}

function isIpv6WithoutZone(text: string): boolean {
  return isIpv6(text) && !text.includes("%");
}
