// Makes rtnetlink requests (rtnetlink(7)) for the addresses and links of this namespace, the route to an address, and
// the neighbour tables, which all of the host's namespaces share.
import type { Family, IpAddress } from "../../util/address.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { attributesOf, dumpNetlink, getNetlink, textOf } from "./netlink.js";

const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const RTM_GETADDR = 22;
const RTM_GETROUTE = 26;
const RTM_GETNEIGH = 30;
const RTM_GETNEIGHTBL = 66;
/** Sizes of struct ifaddrmsg, ifinfomsg, rtmsg, ndmsg and ndtmsg, which precede the attributes. */
const STRUCT_BYTES = { address: 8, link: 16, route: 12, neighbour: 12, table: 4 } as const;

const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_FLAGS = 8;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_VIA = 18;
const NDTA_NAME = 1;
const NDTA_THRESH3 = 4;
const NDTA_CONFIG = 5;
const NDTA_STATS = 7;
/** struct ndt_config: two 16-bit lengths, then the number of entries. */
const CONFIG_ENTRIES = 4;
/** struct ndt_stats: the last of eleven 64-bit numbers. */
const STATS_TABLE_FULLS = 80;

/** IFA_F_* in linux/if_addr.h. */
export const ADDRESS_FLAG = { dadFailed: 0x08, deprecated: 0x20, tentative: 0x40 } as const;
/** NUD_STALE, NUD_FAILED and NUD_NOARP in linux/neighbour.h: entries that neigh_forced_gc() removes. */
const NUD_IDLE = 0x04 | 0x20 | 0x40;
const IFF_UP = 0x1;
const IFF_LOOPBACK = 0x8;
const IFF_NOARP = 0x80;

export interface HostAddress {
  readonly ip: IpAddress;
  /** Prefix length of the address's network. */
  readonly prefixBits: number;
  /** Interface index. */
  readonly index: number;
  /** ADDRESS_FLAG bits. */
  readonly flags: number;
}

export interface NetDevice {
  readonly index: number;
  readonly name: string;
  readonly isUp: boolean;
  readonly isLoopback: boolean;
  /** Whether hosts on this link are resolved by ARP or neighbour discovery. */
  readonly resolves: boolean;
  /** Maximum size of a packet in bytes. */
  readonly mtu: number;
}

/** RTN_LOCAL in linux/rtnetlink.h. */
const RTN_LOCAL = 2;

export interface Route {
  /** RTN_* in linux/rtnetlink.h. */
  readonly type: number;
  /** Interface index; 0 for none. */
  readonly interfaceIndex: number;
  readonly hasGateway: boolean;
}

export interface NeighbourTable {
  /** Number of entries in all network namespaces. */
  readonly entries: number;
  /** Number of entries in this network namespace that can be evicted, because they are stale or failed. */
  readonly idle: number;
  /** Maximum number of entries (gc_thresh3). */
  readonly max: number;
  /** Number of times that the table was full. */
  readonly fulls: number;
}

/**
 * Returns all addresses in this network namespace, including those of interfaces that are down; undefined if netlink is
 * refused.
 */
export function readHostAddresses(): HostAddress[] | undefined {
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETADDR, new Uint8Array(STRUCT_BYTES.address));
  if (typeof answers === "number") return undefined;
  return answers.flatMap(({ body }) => {
    const attributes = attributesOf(body, STRUCT_BYTES.address);
    const raw = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    if (raw?.length !== 4 && raw?.length !== 16) return [];
    return {
      ip: { family: raw.length === 4 ? 4 : 6, bytes: Uint8Array.from(raw) },
      prefixBits: body[1]!,
      flags: attributes.get(IFA_FLAGS)?.readUInt32LE() ?? body[2]!,
      index: body.readUInt32LE(4),
    };
  });
}

/** Returns the interfaces in this network namespace; undefined if netlink is refused. */
export function readNetDevices(): NetDevice[] | undefined {
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETLINK, new Uint8Array(STRUCT_BYTES.link));
  if (typeof answers === "number") return undefined;
  return answers.map(({ body }) => {
    const flags = body.readUInt32LE(8);
    const attributes = attributesOf(body, STRUCT_BYTES.link);
    return {
      index: body.readInt32LE(4),
      name: textOf(attributes.get(IFLA_IFNAME)) ?? "",
      isUp: (flags & IFF_UP) !== 0,
      isLoopback: (flags & IFF_LOOPBACK) !== 0,
      resolves: (flags & (IFF_NOARP | IFF_LOOPBACK)) === 0,
      mtu: attributes.get(IFLA_MTU)?.readUInt32LE() ?? 0,
    };
  });
}

/** Returns the route to an address, or a negative errno such as -ENETUNREACH if there is none. */
export function routeTo(ip: IpAddress): Route | number {
  const request = Buffer.alloc(STRUCT_BYTES.route + 4 + ip.bytes.length);
  // struct rtmsg: family, prefix length of the destination.
  request[0] = ip.family === 4 ? AF_INET : AF_INET6;
  request[1] = ip.bytes.length * 8;
  request.writeUInt16LE(4 + ip.bytes.length, STRUCT_BYTES.route);
  request.writeUInt16LE(RTA_DST, STRUCT_BYTES.route + 2);
  request.set(ip.bytes, STRUCT_BYTES.route + 4);
  const answer = getNetlink(NETLINK_ROUTE, RTM_GETROUTE, request);
  if (typeof answer === "number") return answer;
  const attributes = attributesOf(answer.body, STRUCT_BYTES.route);
  return {
    type: answer.body[7]!,
    interfaceIndex: attributes.get(RTA_OIF)?.readUInt32LE() ?? 0,
    hasGateway: attributes.has(RTA_GATEWAY) || attributes.has(RTA_VIA),
  };
}

/** Returns whether an address is local to this host (a route of type local). */
export function isLocalRoute(ip: IpAddress): boolean {
  const route = routeTo(ip);
  return typeof route === "object" && route.type === RTN_LOCAL;
}

/** Returns the neighbour tables of both families (`ip -s ntable`); undefined if netlink is refused. */
export function readNeighbourTables(): Readonly<Record<Family, NeighbourTable>> | undefined {
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETNEIGHTBL, new Uint8Array(STRUCT_BYTES.table));
  if (typeof answers === "number") return undefined;
  const found: Partial<Record<Family, NeighbourTable>> = {};
  for (const { body } of answers) {
    const attributes = attributesOf(body, STRUCT_BYTES.table);
    const name = textOf(attributes.get(NDTA_NAME));
    const max = attributes.get(NDTA_THRESH3)?.readUInt32LE();
    // Messages about a single interface's parameters have no limit.
    if (max === undefined || (name !== "arp_cache" && name !== "ndisc_cache")) continue;
    found[name === "arp_cache" ? 4 : 6] = {
      max,
      idle: countIdle(name === "arp_cache" ? AF_INET : AF_INET6),
      entries: attributes.get(NDTA_CONFIG)?.readUInt32LE(CONFIG_ENTRIES) ?? 0,
      fulls: Number(attributes.get(NDTA_STATS)?.readBigUInt64LE(STATS_TABLE_FULLS) ?? 0n),
    };
  }
  const none: NeighbourTable = { entries: 0, idle: 0, max: 0, fulls: 0 };
  return found[4] && { 4: found[4], 6: found[6] ?? none };
}

function countIdle(family: number): number {
  const request = Buffer.alloc(STRUCT_BYTES.neighbour);
  request[0] = family;
  const answers = dumpNetlink(NETLINK_ROUTE, RTM_GETNEIGH, request);
  // struct ndmsg: family, padding, interface, state.
  return typeof answers === "number" ? 0 : answers.filter(({ body }) => (body.readUInt16LE(8) & NUD_IDLE) !== 0).length;
}
