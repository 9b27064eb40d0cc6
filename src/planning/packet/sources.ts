// Checks that source addresses for --transport packet are free: they must belong neither to this host nor to a network
// that it has a specific route for, nor to a host that it has connections with. Addresses on a link of this host may be
// free; link-addresses.ts asks. The checks here send no packets.
import { overlaps, type RouteEntry, readRoutes } from "../../linux/netlink/link-changes.js";
import { MOST_MESSAGES } from "../../linux/netlink/netlink.js";
import { readHostAddresses, readNetDevices } from "../../linux/netlink/rtnetlink.js";
import { ENODEV, ENOENT, ENXIO, errnoName } from "../../linux/syscalls/errno.js";
import { tunObstacle } from "../../linux/tun/tun.js";
import { formatIp, type IpAddress, isLoopback, parseIp } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { AppError } from "../../util/errors.js";
import { formatCount } from "../../util/units.js";
import { type AddressBlock, blocksOf, formatBlock } from "./plan.js";

/** A range of source addresses in the network of a link, such as an Ethernet. */
export interface OnLinkRange {
  readonly range: AddressRange;
  /** Interface index. */
  readonly index: number;
}

/** Addresses that no host can have, or that no router forwards packets to (RFC 6890). */
const UNUSABLE = [
  { block: "0.0.0.0/8", why: "addresses in 0.0.0.0/8 are no destinations" },
  { block: "169.254.0.0/16", why: "addresses in 169.254.0.0/16 are link-local" },
  { block: "224.0.0.0/4", why: "addresses in 224.0.0.0/4 are multicast" },
  { block: "255.255.255.255/32", why: "255.255.255.255 is the broadcast address" },
  { block: "::/128", why: ":: is no address of a host" },
  { block: "::ffff:0:0/96", why: "addresses in ::ffff:0:0/96 are IPv4 addresses" },
  { block: "fe80::/10", why: "addresses in fe80::/10 are link-local" },
  { block: "ff00::/8", why: "addresses in ff00::/8 are multicast" },
].map(({ block, why }) => ({ ...parseBlock(block), why }));

const FIX = "use a block that no host and no network uses";

const MISSING_TUN = "load the kernel's module: modprobe tun; in a container, pass the device: --device /dev/net/tun";
const FORBIDDEN_TUN =
  "run it as root or with CAP_NET_ADMIN, or run both ends in namespaces of their own, which needs neither: unshare --user --map-root-user --net sh";
const CLOSED_TUN =
  "run it as root, or let every user open the file, as most distributions do: chmod 666 /dev/net/tun; in a container, pass the device: --device /dev/net/tun";

/** @throws {AppError} E_PERMISSION or E_PLATFORM if this process cannot create a TUN device */
export function assertTunAllowed(): void {
  const obstacle = tunObstacle();
  if (!obstacle) return;
  const { errno, mayOpen } = obstacle;
  const isMissing = [ENOENT, ENODEV, ENXIO].includes(errno);
  throw new AppError(
    isMissing ? "E_PLATFORM" : "E_PERMISSION",
    `--transport packet needs a TUN device, and opening /dev/net/tun failed with ${errnoName(errno)}`,
    { fix: isMissing ? MISSING_TUN : mayOpen ? FORBIDDEN_TUN : CLOSED_TUN },
  );
}

/**
 * @returns the ranges on a link of this host, whose addresses may belong to other hosts there
 * @throws {AppError} E_SOURCE if an address is not free, or cannot reach the destinations
 */
export function assertUnclaimed(sources: readonly AddressRange[], destinations: readonly IpAddress[]): OnLinkRange[] {
  const loopback = destinations.find(isLoopback) ?? sources.map(({ first }) => first).find(isLoopback);
  if (loopback) {
    throw new AppError("E_SOURCE", "--transport packet cannot use loopback addresses, which never leave this host", {
      fix: "connect to an address of another interface of this host",
    });
  }
  assertUsable(sources.flatMap(blocksOf));
  const links = new Set(readNetDevices()?.flatMap(({ index, resolves }) => (resolves ? [index] : [])));
  const routes = new Map<number, readonly RouteEntry[]>();
  const onLink: OnLinkRange[] = [];
  for (const range of sources) {
    const { family } = range.first;
    if (!routes.has(family)) routes.set(family, allRoutes(family));
    for (const block of blocksOf(range)) {
      const claim = findClaim(block, routes.get(family)!, links, destinations);
      if (claim !== undefined)
        throw new AppError("E_SOURCE", `${formatBlock(block)} is not free: ${claim}`, { fix: FIX });
    }
    const networks = routes
      .get(family)!
      .filter((route) => blocksOf(range).some((each) => isOnLink(each, route, links)));
    // Several links may have the same network, or parts of the range, and hosts on any of them the addresses.
    for (const index of new Set(networks.map((route) => route.index))) onLink.push({ range, index });
  }
  return onLink;
}

/** @throws {AppError} E_SOURCE if a block contains addresses that no host can have, or that are not routed */
function assertUsable(blocks: readonly AddressBlock[]): void {
  for (const block of blocks) {
    const found = UNUSABLE.find(
      ({ first, bits }) => first.family === block.first.family && overlaps(block, { first, bits }),
    );
    if (found) throw new AppError("E_SOURCE", `${formatBlock(block)} cannot be used: ${found.why}`, { fix: FIX });
  }
}

/** @throws {AppError} E_SOURCE when this host's routes cannot all be read */
function allRoutes(family: 4 | 6): RouteEntry[] {
  const routes = readRoutes(family);
  if (routes && routes.length < MOST_MESSAGES) return routes;
  const reason = routes ? `this host has more than ${formatCount(MOST_MESSAGES - 1)} routes` : "netlink is unavailable";
  throw new AppError("E_SOURCE", `cannot check whether the source addresses are free: ${reason}`, {
    fix: "run fourtuple in a network namespace with fewer routes",
  });
}

/** Returns who owns addresses in a block; undefined if no owner is known. */
function findClaim(
  block: AddressBlock,
  routes: readonly RouteEntry[],
  links: ReadonlySet<number>,
  destinations: readonly IpAddress[],
): string | undefined {
  const own = readHostAddresses()?.find(({ ip }) => ip.family === block.first.family && overlaps(block, single(ip)));
  if (own) return `${formatBlock(single(own.ip))} is an address of this host`;
  // A default route does not say who owns these addresses, nor does a wider route through a router; any other route
  // does, except that of a link, where each address can be asked for.
  const found = routes.find(
    (route) =>
      route.bits > 0 &&
      overlaps(block, route) &&
      !(route.hasGateway && route.bits <= block.bits) &&
      !isOnLink(block, route, links),
  );
  if (found) return `this host has a route to ${formatBlock(found)}`;
  // A host behind a router: this block's route would divert packets for it to fourtuple's own device.
  const destination = destinations.find((ip) => ip.family === block.first.family && overlaps(block, single(ip)));
  return destination && `it contains the destination ${formatIp(destination)}`;
}

/** Returns whether a block is part of the network on a link on which hosts resolve each other's addresses. */
function isOnLink(block: AddressBlock, route: RouteEntry, links: ReadonlySet<number>): boolean {
  const isNetwork = route.bits > 0 && !route.isOwn && !route.hasGateway && links.has(route.index);
  return isNetwork && route.bits < block.bits && overlaps(block, route);
}

function parseBlock(text: string): AddressBlock {
  const [ip, bits] = text.split("/") as [string, string];
  return { first: parseIp(ip), bits: Number(bits) };
}

function single(ip: IpAddress): AddressBlock {
  return { first: ip, bits: ip.bytes.length * 8 };
}
