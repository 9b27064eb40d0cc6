// Which sockets a reading is about: conditions on both ends, as bytecode for the kernel and as a test of our own.

import type { DiagFilter, End } from "../linux/netlink/diag-filter.js";
import { TCP_LISTEN, TCP_STATES } from "../linux/syscalls/constants.js";
import { type AddressRange, addToIp, type Family, type IpAddress, type PortRange } from "../util/address.js";
import type { SocketView, TcpState } from "./view.js";

export type SourceName = "sock_diag" | "/proc/net/tcp";

/** What one end of a socket must have. What is not given may be anything. */
export interface EndQuery {
  /** The port lies in one of these. */
  readonly ports?: readonly PortRange[] | undefined;
  /** The address lies in one of these. IPv4 addresses match IPv4-mapped ones too. */
  readonly addresses?: readonly AddressRange[] | undefined;
  /** It meets one of these. */
  readonly oneOf?: readonly EndQuery[] | undefined;
}

/** Which sockets to look at: all conditions must hold. Nothing given means every TCP socket of the network namespace. */
export interface SocketQuery {
  /** Bits 1 << state of the kernel's numbers: see stateMask(); all when not given. */
  readonly states?: number | undefined;
  /** Sockets of this family only, as `ss -4` and `-6`: an IPv4-mapped socket is one of IPv6. */
  readonly family?: Family | undefined;
  /** The socket's own end. */
  readonly local?: EndQuery | undefined;
  /** The peer's end. */
  readonly remote?: EndQuery | undefined;
  /** One end, whichever, has this: both sides of a server's port. */
  readonly either?: EndQuery | undefined;
  /**
   * LISTEN sockets on 0.0.0.0 and :: pass conditions on the local address when they accept for it: 0.0.0.0 for IPv4, ::
   * for IPv6, and for IPv4 too unless it is IPV6_V6ONLY (which /proc does not tell).
   */
  readonly wildcardListeners?: boolean | undefined;
  /** Ask the kernel for each socket's memory as well (sock_diag only). */
  readonly memory?: boolean | undefined;
  /** Ask for what each connection has been through: round trips, retransmissions, bytes (sock_diag only). */
  readonly info?: boolean | undefined;
  /** Where to read. Default: sock_diag, and /proc/net/tcp where that is not to be had. */
  readonly source?: SourceName | undefined;
}

/** Every state but BOUND_INACTIVE, which is no state of a connection and which /proc does not have. */
export const ALL_STATES = 0x1ffe;

/** Bits 1 << state for state names. */
export function stateMask(states: readonly TcpState[]): number {
  return states.reduce((mask, state) => mask | (1 << TCP_STATES.indexOf(state)), 0);
}

/** The query's conditions on addresses and ports for the kernel; undefined when there are none. */
export function toDiagFilter(query: SocketQuery): DiagFilter | undefined {
  const wildcards = query.wildcardListeners ?? false;
  const parts = [
    query.local && endFilter("local", withoutSinglePort(query.local), wildcards),
    query.remote && endFilter("remote", withoutSinglePort(query.remote), false),
    query.either && {
      any: [endFilter("local", query.either, wildcards), endFilter("remote", query.either, false)],
    },
  ].filter((part) => part !== undefined && !("all" in part && part.all.length === 0)) as DiagFilter[];
  return parts.length === 0 ? undefined : { all: parts };
}

/** The request itself has a place for one port at each end, which costs the kernel less than bytecode; 0 for any. */
export function singlePort(end: EndQuery | undefined): number {
  const only = end?.ports?.length === 1 ? end.ports[0]! : undefined;
  return only && only.first === only.last ? only.first : 0;
}

function withoutSinglePort(end: EndQuery): EndQuery {
  return singlePort(end) === 0 ? end : { ...end, ports: undefined };
}

function endFilter(end: End, { ports, addresses, oneOf }: EndQuery, wildcards: boolean): DiagFilter {
  const all: DiagFilter[] = [];
  if (oneOf) all.push({ any: oneOf.map((each) => endFilter(end, each, wildcards)) });
  if (ports) all.push({ any: ports.map(({ first, last }) => ({ end, portFrom: first, portTo: last })) });
  if (addresses) {
    const prefixes: ZonedPrefix[] = addresses.flatMap(toZonedPrefixes);
    if (wildcards) {
      // Whether a socket on :: takes IPv4 is not for bytecode to see: needsListenerTest().
      if (hasIpv4(addresses)) prefixes.push({ family: 4, prefix: new Uint8Array(4), prefixBits: 32 });
      prefixes.push({ family: 6, prefix: new Uint8Array(16), prefixBits: 128 });
    }
    all.push({ any: prefixes.map(({ zone, ...prefix }) => zoned({ end, ...prefix }, zone)) });
  }
  return { all };
}

function zoned(filter: DiagFilter, zone: string | undefined): DiagFilter {
  return zone === undefined ? filter : { all: [filter, { zone }] };
}

/** Whether the bytecode lets LISTEN sockets pass that accept for none of the query's addresses: toTest() knows. */
export function needsListenerTest({ wildcardListeners, local, either }: SocketQuery): boolean {
  const ends = [local, either].flatMap((end) => (end ? [end, ...(end.oneOf ?? [])] : []));
  return wildcardListeners === true && ends.some(({ addresses }) => hasIpv4(addresses ?? []));
}

function hasIpv4(addresses: readonly AddressRange[]): boolean {
  return addresses.some(({ first }) => first.family === 4);
}

interface Prefix {
  readonly family: Family;
  readonly prefix: Uint8Array;
  readonly prefixBits: number;
}

interface ZonedPrefix extends Prefix {
  readonly zone?: string | undefined;
}

function toZonedPrefixes(range: AddressRange): ZonedPrefix[] {
  return toPrefixes(range).map((prefix) => ({ ...prefix, zone: range.first.zone }));
}

/** The fewest prefixes (CIDR blocks) that cover exactly a range. */
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

/** The whole query as a test, for a source that does not filter. @param indexOf an interface's number by its name */
export function toTest(query: SocketQuery, indexOf: (zone: string) => number): (socket: SocketView) => boolean {
  const states = query.states ?? ALL_STATES;
  const { family } = query;
  const wildcards = query.wildcardListeners ?? false;
  const local = query.local && endTest("local", query.local, wildcards, indexOf);
  const remote = query.remote && endTest("remote", query.remote, false, indexOf);
  const eitherLocal = query.either && endTest("local", query.either, wildcards, indexOf);
  const eitherRemote = query.either && endTest("remote", query.either, false, indexOf);
  return (socket) => {
    if (((states >>> socket.state) & 1) === 0) return false;
    if (family !== undefined && socket.family !== family) return false;
    if (local && !local(socket)) return false;
    if (remote && !remote(socket)) return false;
    return !eitherLocal || !eitherRemote || eitherLocal(socket) || eitherRemote(socket);
  };
}

function endTest(
  end: End,
  { oneOf, ...query }: EndQuery,
  wildcards: boolean,
  indexOf: (zone: string) => number,
): (socket: SocketView) => boolean {
  const meets = endpointTest(end, query, wildcards, indexOf);
  if (!oneOf) return meets;
  const tests = oneOf.map((each) => endTest(end, each, wildcards, indexOf));
  return (socket) => meets(socket) && tests.some((test) => test(socket));
}

function endpointTest(
  end: End,
  { ports, addresses }: EndQuery,
  wildcards: boolean,
  indexOf: (zone: string) => number,
): (socket: SocketView) => boolean {
  const isLocal = end === "local";
  const portIsWanted = ports && new Uint8Array(65_536);
  for (const { first, last } of ports ?? []) portIsWanted!.fill(1, first, last + 1);
  const v4 = addresses && new Ipv4Ranges(addresses.filter(({ first }) => first.family === 4));
  const v6 = addresses
    ?.filter(({ first }) => first.family === 6)
    .flatMap(toZonedPrefixes)
    .map(({ zone, ...prefix }) => ({ ...prefix, index: zone === undefined ? 0 : indexOf(zone) }));
  const takesIpv4 = wildcards && hasIpv4(addresses ?? []);
  const takesIpv6 = wildcards && (v6?.length ?? 0) > 0;
  return (socket) => {
    if (portIsWanted && portIsWanted[isLocal ? socket.localPort : socket.remotePort] === 0) return false;
    if (!v4 || !v6) return true;
    const ipv4 = isLocal ? socket.localIpv4 : socket.remoteIpv4;
    if (ipv4 >= 0 && v4.has(ipv4)) return true;
    // An IPv4-mapped range may be given as IPv6: the socket's address is one, too.
    if (v6.length > 0 && socket.family === 6) {
      const bytes = ipv6Bytes(socket, isLocal);
      for (const { prefix, prefixBits, index } of v6) {
        // Out of /proc, which does not tell, it is 0.
        const mayBeThere = index === 0 || socket.interfaceIndex === 0 || socket.interfaceIndex === index;
        if (mayBeThere && hasPrefix(bytes, prefix, prefixBits)) return true;
      }
    }
    if (!isLocal || socket.state !== TCP_LISTEN || !isWildcard(socket)) return false;
    return (takesIpv6 && socket.family === 6) || (takesIpv4 && !socket.isV6Only);
  };
}

/** Whether the local address is 0.0.0.0 or ::. */
export function isWildcard(socket: SocketView): boolean {
  if (socket.family === 4) return socket.localIpv4 === 0;
  return (socket.localWord(0) | socket.localWord(1) | socket.localWord(2) | socket.localWord(3)) === 0;
}

function hasPrefix(bytes: Uint8Array, prefix: Uint8Array, bits: number): boolean {
  const whole = bits >>> 3;
  for (let i = 0; i < whole; i++) if (bytes[i] !== prefix[i]) return false;
  return (bits & 7) === 0 || (bytes[whole]! ^ prefix[whole]!) >>> (8 - (bits & 7)) === 0;
}

function ipv6Bytes(socket: SocketView, isLocal: boolean): Uint8Array {
  const words = [0, 1, 2, 3].map((i) => (isLocal ? socket.localWord(i) : socket.remoteWord(i)));
  return new Uint8Array(Uint32Array.from(words).buffer);
}

/** IPv4 addresses as sorted runs of numbers: looked up by halving, since a run may have thousands of sources. */
class Ipv4Ranges {
  private readonly firsts: number[] = [];
  private readonly lasts: number[] = [];

  constructor(ranges: readonly AddressRange[]) {
    const runs = ranges
      .map(({ first, count }) => ({ first: first.bytes.reduce((sum, byte) => sum * 256 + byte, 0), count }))
      .sort((a, b) => a.first - b.first);
    for (const { first, count } of runs) {
      const end = this.lasts.length - 1;
      const last = first + count - 1;
      if (end >= 0 && first <= this.lasts[end]! + 1) this.lasts[end] = Math.max(this.lasts[end]!, last);
      else {
        this.firsts.push(first);
        this.lasts.push(last);
      }
    }
  }

  has(ipv4: number): boolean {
    let low = 0;
    let high = this.firsts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.firsts[middle]! <= ipv4) low = middle + 1;
      else high = middle;
    }
    return low > 0 && ipv4 <= this.lasts[low - 1]!;
  }
}
