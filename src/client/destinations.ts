// Where a run goes: names resolved to their addresses, and which of them it takes.

import { resolveAll } from "../linux/resolve.js";
import { EADDRNOTAVAIL, EAFNOSUPPORT, ENETUNREACH } from "../linux/syscalls/errno.js";
import { SocketAddress } from "../linux/syscalls/sockaddr.js";
import { closeFd, connectTo, openUdp } from "../linux/syscalls/socket.js";
import type { Destination } from "../planning/tuple-plan.js";
import { type AddressRange, formatIp, type IpAddress, parseHostPorts } from "../util/address.js";
import type { ConnectSettings } from "./options.js";

/** A host name of the command line, and what it stands for. */
export interface ResolvedName {
  readonly name: string;
  /** All of its addresses of the family asked for, in the resolver's order. */
  readonly addresses: readonly string[];
  /** Those that the run goes to. */
  readonly used: readonly string[];
  /** Those that it leaves out because this host has no route to them, or no source address of their family was given. */
  readonly unreachable: readonly string[];
}

export interface Destinations {
  readonly list: readonly Destination[];
  readonly names: readonly ResolvedName[];
  /** How many addresses the first destination has: a single connection tries them in order. */
  readonly tries: number;
}

const LOOPBACK_V4: IpAddress = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) };
const LOOPBACK_V6: IpAddress = { family: 6, bytes: Uint8Array.of(...new Uint8Array(15), 1) };
const NO_ROUTE = [ENETUNREACH, EADDRNOTAVAIL, EAFNOSUPPORT];

/** @throws {AppError} E_ADDRESS or E_RESOLVE */
export async function resolveDestinations(settings: ConnectSettings): Promise<Destinations> {
  const resolved = await Promise.all(
    settings.to.map(async (text) => {
      const { host, ports } = parseHostPorts(text);
      const ips = await resolveAll(host, settings.family);
      const reachable = usable(ips, settings.sources);
      return { host, ports, ips, reachable, used: settings.resolve === "first" ? reachable.slice(0, 1) : reachable };
    }),
  );
  return {
    list: resolved.flatMap(({ ports, used }) =>
      Array.from({ length: ports.last - ports.first + 1 }, (_, i) => ports.first + i).flatMap((port) =>
        used.map((ip) => ({ ip: atLoopback(ip), port })),
      ),
    ),
    names: resolved
      // An address is no name, however it is written.
      .filter(({ host }) => !/^[\d.]+$|:/.test(host))
      .map(({ host, ips, used, reachable }) => ({
        name: host,
        addresses: ips.map(formatIp),
        used: used.map(formatIp),
        unreachable: ips.filter((ip) => !reachable.includes(ip)).map(formatIp),
      })),
    tries: resolved[0]!.used.length,
  };
}

/** Of a name's addresses those that can be reached at all; all where none can, so that the kernel says why. */
function usable(ips: readonly IpAddress[], sources: readonly AddressRange[] | undefined): readonly IpAddress[] {
  if (ips.length === 1) return ips;
  const isOfSources = ({ family }: IpAddress) => !sources || sources.some(({ first }) => first.family === family);
  const found = ips.filter((ip) => isOfSources(ip) && hasRoute(ip));
  return found.length > 0 ? found : ips;
}

/** Connecting a UDP socket looks for a route, and sends nothing. */
function hasRoute(ip: IpAddress): boolean {
  const fd = openUdp(ip.family);
  const result = fd < 0 ? fd : connectTo(fd, new SocketAddress(ip, 9));
  if (fd >= 0) closeFd(fd);
  return !NO_ROUTE.includes(-result);
}

/** The kernel takes the unspecified address for loopback: so do we, and look for it there. */
function atLoopback(ip: IpAddress): IpAddress {
  if (ip.bytes.some((byte) => byte !== 0)) return ip;
  return ip.family === 4 ? LOOPBACK_V4 : LOOPBACK_V6;
}
