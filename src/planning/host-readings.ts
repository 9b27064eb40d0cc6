// Reads what planning needs from the host: addresses of names, usable source addresses, routes, local addresses and
// source ports. The host is read once; planTuples() does not access it again. No connection to a peer is opened.

import { addressOf, canBind, readInterfaces } from "../linux/netlink/interfaces.js";
import { resolveAll } from "../linux/resolve.js";
import { EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH } from "../linux/syscalls/errno.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { closeFd, connectTo, openUdp } from "../linux/syscalls/socket.js";
import { resolveZone } from "../linux/zone.js";
import type { BadSource } from "../results/peer.js";
import { formatIp, type IpAddress, isLoopback, parseIp } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import type { TupleSpec } from "./run-spec.js";
import { type PortReadings, readPorts } from "./source-ports.js";
import { type CheckedSources, checkSources, NO_BAD_SOURCES, routeSource } from "./sources.js";

/** Addresses of a destination in the spec, restricted to the requested family, in the resolver's order. */
export interface ResolvedDestination {
  readonly ips: readonly IpAddress[];
  /** The reachable addresses, or all addresses if none is reachable, so that the kernel reports the reason. */
  readonly reachable: readonly IpAddress[];
}

export interface HostReadings {
  /** The destinations' addresses, in the order of the spec. */
  readonly resolved: readonly ResolvedDestination[];
  /** Result of checking the given source addresses; undefined if none were given. */
  readonly sources: CheckedSources | undefined;
  /** For each destination address, the source address that the kernel would choose, or why there is none. */
  readonly routes: ReadonlyMap<string, IpAddress | BadSource>;
  /** Destination addresses that are local to this host. */
  readonly own: ReadonlySet<string>;
  /** Addresses of this host, by interface. */
  readonly interfaces: readonly (readonly IpAddress[])[];
  readonly ports: PortReadings;
}

const LOOPBACK_V4: IpAddress = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) };
const LOOPBACK_V6: IpAddress = { family: 6, bytes: Uint8Array.of(...new Uint8Array(15), 1) };
const NO_ROUTE = [ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT];

/** @throws {AppError} E_ADDRESS or E_RESOLVE when an address or a name is invalid */
export async function readHost(spec: TupleSpec): Promise<HostReadings> {
  const given = spec.sources?.map(({ first, count }) => ({ first: resolveZone(parseIp(first)), count }));
  // Addresses that belong to no host cannot be bound; targets.ts checks that they are free.
  const isPacket = spec.transport === "packet";
  const sources = given && (isPacket ? { ...NO_BAD_SOURCES, good: given } : checkSources(given));
  const resolved = await resolveDestinations(spec, given);
  const ips = new Map(resolved.flatMap((each) => each.ips.map((ip) => [formatIp(atLoopback(ip)), atLoopback(ip)])));
  const sourceTo = ({ family }: IpAddress) =>
    (isPacket ? undefined : sources)?.good.find(({ first }) => first.family === family)?.first;
  const interfaces = readOwnAddresses();
  return {
    resolved,
    sources,
    routes: new Map([...ips].map(([text, ip]) => [text, routeSource(ip, sourceTo(ip))])),
    own: findOwn(ips, interfaces),
    interfaces: interfaces ?? [],
    ports: readPorts(),
  };
}

/** Maps the unspecified address to loopback, as the kernel does. */
export function atLoopback(ip: IpAddress): IpAddress {
  if (ip.bytes.some((byte) => byte !== 0)) return ip;
  return ip.family === 4 ? LOOPBACK_V4 : LOOPBACK_V6;
}

/** Returns the addresses; undefined if they cannot be read. */
function readOwnAddresses(): IpAddress[][] | undefined {
  const interfaces = readInterfaces();
  return (
    interfaces && Object.entries(interfaces).map(([name, list]) => (list ?? []).map((each) => addressOf(each, name)))
  );
}

function findOwn(
  ips: ReadonlyMap<string, IpAddress>,
  interfaces: readonly (readonly IpAddress[])[] | undefined,
): Set<string> {
  const known = interfaces && new Set(interfaces.flat().map(formatIp));
  const isOwn = (text: string, ip: IpAddress) => isLoopback(ip) || (known ? known.has(text) : canBind(ip));
  return new Set([...ips].filter(([text, ip]) => isOwn(text, ip)).map(([text]) => text));
}

/**
 * @param sources the given source addresses, including unusable ones
 * @returns addresses in the order of the spec's destinations
 * @throws {AppError} E_ADDRESS or E_RESOLVE
 */
function resolveDestinations(
  { destinations, family }: TupleSpec,
  sources: readonly AddressRange[] | undefined,
): Promise<ResolvedDestination[]> {
  return Promise.all(
    destinations.map(async ({ host, zone }) => {
      const ips = await resolveAll(host, { family, zone });
      return { ips, reachable: findReachable(ips, sources) };
    }),
  );
}

function findReachable(ips: readonly IpAddress[], sources: readonly AddressRange[] | undefined): readonly IpAddress[] {
  if (ips.length === 1) return ips;
  const isOfSources = ({ family }: IpAddress) => !sources || sources.some(({ first }) => first.family === family);
  const found = ips.filter((ip) => isOfSources(ip) && hasRoute(ip));
  return found.length > 0 ? found : ips;
}

/** Returns whether there is a route. Connecting a UDP socket looks up the route without sending anything. */
function hasRoute(ip: IpAddress): boolean {
  const fd = openUdp(ip.family);
  const result = fd < 0 ? fd : connectTo(fd, new SocketAddress(ip, 9));
  if (fd >= 0) closeFd(fd);
  return !NO_ROUTE.includes(-result);
}
