// Counts the addresses of a plan that share a link: each end resolves the other's by ARP or neighbour discovery.

import { type HostAddress, readHostAddresses, readNetDevices, routeTo } from "../linux/netlink/rtnetlink.js";
import type { TuplePlan } from "../planning/tuple-plan.js";
import { type Family, formatIp, type IpAddress, toInteger } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";

export interface OnLink {
  /** Number of source addresses in the network of an on-link destination. */
  readonly sources: number;
  /** Number of on-link destinations. */
  readonly destinations: number;
}

/**
 * Maximum number of destinations to look up. If all of those destinations are on-link, the rest are assumed to be
 * on-link too.
 */
const LOOKED_UP = 4096;

/** Returns counts of zero if netlink is unavailable. */
export function countOnLink(plan: TuplePlan | undefined): Readonly<Record<Family, OnLink>> {
  const found = { 4: { sources: 0, destinations: 0 }, 6: { sources: 0, destinations: 0 } };
  const links = new Map((readNetDevices() ?? []).map((link) => [link.index, link]));
  const addresses = plan ? (readHostAddresses() ?? []) : [];
  for (const { sources, destinations } of plan?.groups ?? []) {
    const family = destinations[0]!.ip.family;
    const ips = [...new Map(destinations.map(({ ip }) => [formatIp(ip), ip])).values()];
    const onLink = ips.slice(0, LOOKED_UP).flatMap((ip) => {
      const route = routeTo(ip);
      const isOnLink =
        typeof route === "object" && !route.hasGateway && links.get(route.interfaceIndex)?.resolves === true;
      return isOnLink ? [{ ip, index: route.interfaceIndex }] : [];
    });
    if (onLink.length === 0) continue;
    found[family].destinations += onLink.length === LOOKED_UP ? ips.length : onLink.length;
    const { ip, index } = onLink[0]!;
    const network = addresses.find((each) => each.index === index && contains(each, ip));
    if (network) found[family].sources += sources.reduce((sum, range) => sum + countWithin(range, network), 0);
  }
  return found;
}

function countWithin({ first, count }: AddressRange, { ip, prefixBits }: HostAddress): number {
  if (ip.family !== first.family) return 0;
  const bits = BigInt(ip.bytes.length * 8 - prefixBits);
  const [from, start] = [toInteger(first), (toInteger(ip) >> bits) << bits];
  const [low, high] = [max(from, start), min(from + BigInt(count), start + (1n << bits))];
  return high > low ? Number(high - low) : 0;
}

function contains({ ip, prefixBits }: HostAddress, other: IpAddress): boolean {
  const bits = BigInt(ip.bytes.length * 8 - prefixBits);
  return ip.family === other.family && toInteger(ip) >> bits === toInteger(other) >> bits;
}

const max = (a: bigint, b: bigint) => (a > b ? a : b);
const min = (a: bigint, b: bigint) => (a < b ? a : b);
