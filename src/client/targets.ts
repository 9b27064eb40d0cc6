// From names to numbers: resolves the destinations, finds the source addresses that reach each, and says how many
// 4-tuples that makes. Opens nothing towards a peer.

import { randomInt } from "node:crypto";
import { MANY } from "../engine/stopping.js";
import { addressOf, canBind, readInterfaces } from "../linux/netlink/interfaces.js";
import { countPortsWithin, readLocalPortRange, readReservedPorts } from "../linux/proc/local-ports.js";
import { settleZone } from "../linux/zone.js";
import type { BadSource } from "../planning/source-problems.js";
import { describeBadSources, describeUnreachable, fixFor } from "../planning/source-text.js";
import { type CheckedSources, checkSources, isHopeless, isSource, routeSource } from "../planning/sources.js";
import {
  type Destination,
  portCount,
  type SourcePorts,
  type TupleGroup,
  type TuplePlan,
} from "../planning/tuple-plan.js";
import { endpointsQuery } from "../socket-table/endpoints.js";
import type { EndQuery } from "../socket-table/query.js";
import {
  type AddressRange,
  addToIp,
  type Family,
  formatEndpoint,
  formatIp,
  type IpAddress,
  isLinkLocal,
  isLoopback,
  type PortRange,
} from "../util/address.js";
import { AppError } from "../util/errors.js";
import { formatCount } from "../util/units.js";
import { type ResolvedName, resolveDestinations } from "./destinations.js";
import type { ConnectSettings } from "./options.js";

export interface Targets {
  readonly plan: TuplePlan;
  /** The names among what was given; none for addresses. */
  readonly names: readonly ResolvedName[];
  /** How many destinations one attempt goes to, in their order, until one answers; 1 unless a single connection is asked for. */
  readonly tries: number;
  /** Every destination is one of this machine's own addresses: both ends of each connection are here. */
  readonly isLocal: boolean;
  /** The destinations, as a condition on one end of a socket. */
  readonly endpoints: EndQuery;
}

/** What a plan lacks: its 4-tuples are those that are left. */
export interface Survey extends Targets {
  /** Of the sources that were given, those that this host cannot use. */
  readonly sources: CheckedSources;
  /** Destinations to which nothing can leave this host, once for each address. */
  readonly unreachable: readonly BadSource[];
}

const LOOPBACK_FIRST: IpAddress = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) };
const LOOPBACK_ADDRESSES = 2 ** 24 - 3;
/** Needs no privilege (ip_unprivileged_port_start is 1024 by default). */
const EXPLICIT_PORTS: PortRange = { first: 1024, last: 65535 };

/**
 * @throws {AppError} E_ADDRESS, E_RESOLVE or E_SOURCE when an address is wrong; E_AUTHORIZED when many connections
 * would go to a machine that is not this one
 */
export async function findTargets(asked: ConnectSettings): Promise<Targets> {
  const { sources, unreachable, ...targets } = await surveyTargets(asked);
  const [bad] = sources.bad;
  if (bad) throw new AppError("E_SOURCE", describeBadSources(sources.bad, sources.badCount), { fix: fixFor(bad) });
  const hopeless = unreachable.find(isHopeless);
  if (hopeless) throw new AppError("E_NO_SOURCE", describeUnreachable(hopeless), { fix: fixFor(hopeless) });
  return targets;
}

/**
 * As findTargets(), and goes on without the source addresses and destinations that cannot be used.
 *
 * @throws {AppError} as findTargets(), but for source addresses that this host has not
 */
export async function surveyTargets(asked: ConnectSettings): Promise<Survey> {
  const given = asked.sources?.map(({ first, count }) => ({ first: settleZone(first), count }));
  const sources = checkSources(given ?? []);
  const settings = { ...asked, sources: given && sources.good };
  const { list, names, tries } = await resolveDestinations({ ...asked, sources: given });
  const destinations = withoutRepeats(list);
  const isOwn = ownAddresses();
  const foreign = destinations.find(({ ip }) => !isLoopback(ip) && !isOwn(ip));
  if (foreign && settings.connections > MANY && !settings.authorized) {
    throw new AppError(
      "E_AUTHORIZED",
      `${formatIp(foreign.ip)} is not this machine, and ${formatCount(settings.connections)} connections to it need your confirmation`,
      { fix: "if you may load that machine, say so with --authorized", facts: { limit: MANY } },
    );
  }
  const routes = new Map<string, IpAddress | BadSource>();
  const route = (ip: IpAddress) => {
    const key = formatIp(ip);
    const found =
      routes.get(key) ?? routeSource(ip, sources.good.find(({ first }) => first.family === ip.family)?.first);
    routes.set(key, found);
    return found;
  };
  // A client on the server's port of this host would be counted as a connection of the server.
  const ports = planPorts(settings, foreign ? [] : destinations);
  const groups = new Map<string, { sources: readonly AddressRange[]; destinations: Destination[] }>();
  for (const [number, destination] of destinations.entries()) {
    assertFamily(destination.ip, given);
    const routed = route(destination.ip);
    if (!isSource(routed) && isHopeless(routed)) continue;
    const sources = sourcesFor(destination, routed, settings, ports, destinations.length);
    // A single connection tries the destinations in their order.
    const key = settings.isSingle
      ? `${number}`
      : sources.map(({ first, count }) => `${formatIp(first)}+${count}`).join();
    if (!groups.has(key)) groups.set(key, { sources, destinations: [] });
    groups.get(key)!.destinations.push(destination);
  }
  return {
    plan: { groups: [...groups.values()] satisfies TupleGroup[], ports },
    names,
    tries: settings.isSingle ? tries : 1,
    isLocal: foreign === undefined,
    endpoints: endpointsQuery(destinations),
    sources,
    unreachable: [...routes.values()].filter((found): found is BadSource => !isSource(found)),
  };
}

/** A destination that is named twice has its 4-tuples once. */
function withoutRepeats(destinations: readonly Destination[]): Destination[] {
  return [...new Map(destinations.map((each) => [formatEndpoint(formatIp(each.ip), each.port), each])).values()];
}

/**
 * Which source ports a run has, and who chooses among them.
 *
 * @param servers destinations on this host: their ports are passed over, unless no others were asked for
 */
export function planPorts(settings: ConnectSettings, servers: readonly Destination[] = []): SourcePorts {
  const range = readLocalPortRange();
  const asked = settings.sourcePorts ?? (settings.isSingle ? "kernel" : EXPLICIT_PORTS);
  if (asked === "kernel") {
    // Where its range cannot be read, how many there are is for the kernel to say: EADDRNOTAVAIL.
    const { first, last } = range ?? EXPLICIT_PORTS;
    const reserved = range ? countPortsWithin(readReservedPorts() ?? [], range) : 0;
    return { chosenBy: "kernel", available: last - first + 1 - reserved };
  }
  // Begin with the ephemeral ports: services that start later want the others.
  const isEphemeral = range && range.first >= asked.first && range.first <= asked.last;
  const first = isEphemeral ? { first: range.first, last: Math.min(range.last, asked.last) } : asked;
  // Not where the last run began: its 4-tuples may be in TIME_WAIT, or not quite gone at the peer or on the way.
  const startAt = randomInt(first.first, first.last + 1);
  const taken = new Set(servers.map(({ port }) => port).filter((port) => port >= asked.first && port <= asked.last));
  const isAll = taken.size > asked.last - asked.first;
  return { chosenBy: "us", range: asked, startAt, first, except: isAll ? [] : [...taken].sort((a, b) => a - b) };
}

function assertFamily(ip: IpAddress, given: readonly AddressRange[] | undefined): void {
  if (!given || given.some(({ first }) => first.family === ip.family)) return;
  throw new AppError("E_NO_SOURCE", `no source address of the family of ${formatIp(ip)} is given`, {
    fix: `add a --source-ip that is an IPv${ip.family} address`,
  });
}

/** @param routed the address that the kernel would use, or why it has none */
function sourcesFor(
  { ip }: Destination,
  routed: IpAddress | BadSource,
  settings: ConnectSettings,
  ports: SourcePorts,
  destinations: number,
): readonly AddressRange[] {
  if (settings.sources) return settings.sources.filter(({ first }) => first.family === ip.family);
  if (settings.isSingle && settings.sourcePorts === undefined) return [{ first: anyAddress(ip.family), count: 1 }];
  if (ip.family === 4 && isLoopback(ip)) {
    // One more than the numbers ask for: some ports are taken by others.
    const needed = Math.ceil(settings.connections / (portCount(ports) * destinations)) + 1;
    // A port that is bound by its number is nobody else's: a large run leaves 127.0.0.1, which all others use, alone.
    const first = settings.connections > MANY ? addToIp(LOOPBACK_FIRST, 1) : LOOPBACK_FIRST;
    return [{ first, count: Math.min(needed, LOOPBACK_ADDRESSES) }];
  }
  if (!isSource(routed)) return [{ first: anyAddress(ip.family), count: 1 }];
  return (isLoopback(ip) ? [routed] : [routed, ...neighboursOf(routed)]).map((first) => ({ first, count: 1 }));
}

/** The other addresses of the family on the same interface. */
function neighboursOf(routed: IpAddress): IpAddress[] {
  const interfaces = Object.entries(readInterfaces() ?? {}).map(([name, list]) =>
    (list ?? []).map((each) => addressOf(each, name)),
  );
  const text = formatIp(routed);
  const holder = interfaces.find((list) => list.some((each) => formatIp(each) === text)) ?? [];
  // Link-local addresses reach each other only.
  return holder.filter(
    (each) => each.family === routed.family && formatIp(each) !== text && isLinkLocal(each) === isLinkLocal(routed),
  );
}

/** Tells this machine's own addresses from others. */
function ownAddresses(): (ip: IpAddress) => boolean {
  const interfaces = readInterfaces();
  if (!interfaces) return canBind;
  const own = new Set(
    Object.entries(interfaces).flatMap(([name, list]) => list?.map((each) => formatIp(addressOf(each, name))) ?? []),
  );
  return (ip) => own.has(formatIp(ip));
}

function anyAddress(family: Family): IpAddress {
  return { family, bytes: new Uint8Array(family === 4 ? 4 : 16) };
}
