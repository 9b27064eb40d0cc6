// Makes changes through rtnetlink (rtnetlink(7)): brings an interface up, and routes addresses to it. Both changes
// disappear with the interface.
import { type IpAddress, toInteger } from "../../util/address.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { ENODEV } from "../syscalls/errno.js";
import { attributesOf, changeNetlink, dumpNetlink, getNetlink } from "./netlink.js";
import { readNextHops } from "./next-hops.js";

const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;
const LINK_BYTES = 16;
const ROUTE_BYTES = 12;
const HOP_BYTES = 8;
const IFLA_MTU = 4;
const IFLA_TXQLEN = 13;
const IFLA_STATS64 = 23;
/** struct rtnl_link_stats64: the eighth of its 64-bit numbers. */
const STATS_TX_DROPPED = 56;
const IFF_UP = 0x1;
const IFF_LOWER_UP = 0x10000;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_MULTIPATH = 9;
const RTA_VIA = 18;
const RTA_NH_ID = 30;
const RT_TABLE_MAIN = 254;
const RTPROT_STATIC = 4;
const RTPROT_RA = 9;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
/** RTN_LOCAL, RTN_BROADCAST, RTN_ANYCAST: addresses of this host. */
const OWN_TYPES = [2, 3, 4];

/** A block of addresses: those that share the first `bits` bits with `first`. */
export interface Prefix {
  readonly first: IpAddress;
  readonly bits: number;
}

/** An entry of the routing tables. */
export interface RouteEntry extends Prefix {
  /** Whether the entry is about addresses of this host. */
  readonly isOwn: boolean;
  /** Whether the route leads through another router. */
  readonly hasGateway: boolean;
  /** Interface index; 0 for several interfaces or none. */
  readonly index: number;
  /** Whether a router has announced the route (IPv6 router advertisement). */
  readonly isAnnounced: boolean;
}

/** Brings an interface up. @returns 0 or a negative errno */
export function setLinkUp(index: number, mtu: number, txQueueLength: number): number {
  const link = Buffer.alloc(LINK_BYTES);
  link.writeInt32LE(index, 4);
  link.writeUInt32LE(IFF_UP, 8);
  link.writeUInt32LE(IFF_UP, 12);
  const attributes = [attribute(IFLA_MTU, word(mtu)), attribute(IFLA_TXQLEN, word(txQueueLength))];
  return changeNetlink(NETLINK_ROUTE, RTM_NEWLINK, Buffer.concat([link, ...attributes]), false);
}

/** Removes an interface, with its routes. @returns 0 or a negative errno */
export function removeLink(index: number): number {
  const link = Buffer.alloc(LINK_BYTES);
  link.writeInt32LE(index, 4);
  return changeNetlink(NETLINK_ROUTE, RTM_DELLINK, link, false);
}

/** Returns how many packets an interface has dropped instead of transmitting them; 0 if unknown. */
export function readDroppedPackets(index: number): number {
  const link = Buffer.alloc(LINK_BYTES);
  link.writeInt32LE(index, 4);
  const answer = getNetlink(NETLINK_ROUTE, RTM_GETLINK, link);
  const stats = typeof answer === "object" ? attributesOf(answer.body, LINK_BYTES).get(IFLA_STATS64) : undefined;
  return Number(stats?.readBigUInt64LE(STATS_TX_DROPPED) ?? 0n);
}

/** Returns whether an interface was brought down or removed; false if that is unknown. */
export function isLinkDown(index: number): boolean {
  const flags = readLinkFlags(index);
  return flags === -ENODEV || (flags >= 0 && (flags & IFF_UP) === 0);
}

/** Returns whether packets sent to an interface reach its driver. This takes a moment after setLinkUp(). */
export function isLinkRunning(index: number): boolean {
  const flags = readLinkFlags(index);
  return flags >= 0 && (flags & IFF_LOWER_UP) !== 0;
}

/** @returns bits of IFF_…, or a negative errno */
function readLinkFlags(index: number): number {
  const link = Buffer.alloc(LINK_BYTES);
  link.writeInt32LE(index, 4);
  const answer = getNetlink(NETLINK_ROUTE, RTM_GETLINK, link);
  return typeof answer === "object" ? answer.body.readUInt32LE(8) : answer;
}

/** Routes a block of addresses to an interface. @returns 0 or a negative errno; -EEXIST if the block has a route */
export function addRoute({ first, bits }: Prefix, index: number): number {
  const isV4 = first.family === 4;
  const route = Buffer.from([isV4 ? AF_INET : AF_INET6, bits, 0, 0]);
  const rest = Buffer.from([RT_TABLE_MAIN, RTPROT_STATIC, isV4 ? RT_SCOPE_LINK : 0, RTN_UNICAST, 0, 0, 0, 0]);
  const attributes = [attribute(RTA_DST, Buffer.from(first.bytes)), attribute(RTA_OIF, word(index))];
  return changeNetlink(NETLINK_ROUTE, RTM_NEWROUTE, Buffer.concat([route, rest, ...attributes]), true);
}

/** Returns the routes of a family, at most MOST_MESSAGES of them; undefined if netlink is refused. */
export function readRoutes(family: 4 | 6): RouteEntry[] | undefined {
  const request = Buffer.alloc(ROUTE_BYTES);
  request[0] = family === 4 ? AF_INET : AF_INET6;
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETROUTE, request);
  if (typeof answers === "number") return undefined;
  // By default, the kernel also names the interface and gateway of a next-hop object (nexthop_compat_mode).
  let nextHops: ReturnType<typeof readNextHops> | undefined;
  return answers.map(({ body }) => {
    const attributes = attributesOf(body, ROUTE_BYTES);
    const hopId = attributes.get(RTA_NH_ID)?.readUInt32LE();
    if (hopId !== undefined) nextHops ??= readNextHops();
    const hop = hopId === undefined ? undefined : nextHops?.get(hopId);
    const bytes = attributes.get(RTA_DST) ?? Buffer.alloc(family === 4 ? 4 : 16);
    return {
      first: { family, bytes: Uint8Array.from(bytes) },
      bits: body[1]!,
      isOwn: OWN_TYPES.includes(body[7]!),
      hasGateway:
        hop?.hasGateway || leadsToRouter(attributes) || hopsOf(attributes.get(RTA_MULTIPATH)).some(leadsToRouter),
      index: attributes.get(RTA_OIF)?.readUInt32LE() ?? hop?.index ?? 0,
      isAnnounced: body[5] === RTPROT_RA,
    };
  });
}

/** Returns whether two blocks of one family have addresses in common. */
export function overlaps(a: Prefix, b: Prefix): boolean {
  const shift = BigInt(a.first.bytes.length * 8 - Math.min(a.bits, b.bits));
  return toInteger(a.first) >> shift === toInteger(b.first) >> shift;
}

function leadsToRouter(attributes: ReadonlyMap<number, Buffer>): boolean {
  return attributes.has(RTA_GATEWAY) || attributes.has(RTA_VIA);
}

/** Returns the attributes of each next hop of a multipath route (struct rtnexthop). */
function hopsOf(value: Buffer = Buffer.alloc(0)): Map<number, Buffer>[] {
  const hops: Map<number, Buffer>[] = [];
  for (let at = 0; at + HOP_BYTES <= value.length; ) {
    const length = value.readUInt16LE(at);
    if (length < HOP_BYTES) break;
    hops.push(attributesOf(value.subarray(at, at + length), HOP_BYTES));
    at += (length + 3) & ~3;
  }
  return hops;
}

function attribute(type: number, value: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16LE(4 + value.length, 0);
  header.writeUInt16LE(type, 2);
  return Buffer.concat([header, value, Buffer.alloc(-value.length & 3)]);
}

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
