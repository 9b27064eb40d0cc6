// Converts a query to a predicate, for sources that do not filter and for conditions that bytecode cannot express.
import type { End } from "../linux/netlink/diag-filter.js";
import { TCP_LISTEN } from "../linux/syscalls/constants.js";
import type { AddressRange } from "../util/address-range.js";
import type { PortRange } from "../util/endpoint.js";
import { hasIpv4, toZonedPrefixes } from "./prefixes.js";
import { ALL_STATES, type EndQuery, type SocketQuery } from "./query.js";
import type { SocketView } from "./view.js";

/**
 * Returns a predicate for the whole query, for sources that do not filter.
 * @param indexOf returns an interface's index by name
 */
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
  const hasPort = ports && portTest(ports);
  const v4 = addresses && new Ipv4Ranges(addresses.filter(({ first }) => first.family === 4));
  const v6 = addresses
    ?.filter(({ first }) => first.family === 6)
    .flatMap(toZonedPrefixes)
    .map(({ zone, ...prefix }) => ({ ...prefix, index: zone === undefined ? 0 : indexOf(zone) }));
  const takesIpv4 = wildcards && hasIpv4(addresses ?? []);
  const takesIpv6 = wildcards && (v6?.length ?? 0) > 0;
  return (socket) => {
    if (hasPort && !hasPort(isLocal ? socket.localPort : socket.remotePort)) return false;
    if (!v4 || !v6) return true;
    const ipv4 = isLocal ? socket.localIpv4 : socket.remoteIpv4;
    if (ipv4 >= 0 && v4.has(ipv4)) return true;
    // An IPv4-mapped range may be given as IPv6, and the socket's address is stored as one too.
    if (v6.length > 0 && socket.family === 6) {
      const bytes = ipv6Bytes(socket, isLocal);
      for (const { prefix, prefixBits, index } of v6) {
        // The index is always 0 if the socket was read from /proc, which does not report it.
        const mayBeThere = index === 0 || socket.interfaceIndex === 0 || socket.interfaceIndex === index;
        if (mayBeThere && hasPrefix(bytes, prefix, prefixBits)) return true;
      }
    }
    if (!isLocal || socket.state !== TCP_LISTEN || !isWildcard(socket)) return false;
    return (takesIpv6 && socket.family === 6) || (takesIpv4 && !socket.isV6Only);
  };
}

function portTest(ranges: readonly PortRange[]): (port: number) => boolean {
  const [only] = ranges;
  if (only && ranges.length === 1) return (port) => port >= only.first && port <= only.last;
  const isWanted = new Uint8Array(65_536);
  for (const { first, last } of ranges) isWanted.fill(1, first, last + 1);
  return (port) => isWanted[port] !== 0;
}

/** Returns whether the local address is 0.0.0.0 or ::. */
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

/** Sorted ranges of IPv4 addresses with binary search, because a run may have thousands of sources. */
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
