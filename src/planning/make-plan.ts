// Plans a run's 4-tuples from a spec and from what was read from the host. Planning is a pure function, so a run and a
// prediction get the same plan.
import type { ResolvedName } from "../results/connect.js";
import type { BadSource } from "../results/peer.js";
import { endpointsQuery } from "../socket-table/endpoints.js";
import type { EndQuery } from "../socket-table/query.js";
import { addToIp, type Family, formatIp, type IpAddress, isLinkLocal, isLoopback, parseIp } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import { AppError } from "../util/errors.js";
import { atLoopback, type HostReadings } from "./host-readings.js";
import type { TupleSpec } from "./run-spec.js";
import { planPorts } from "./source-ports.js";
import { isHopeless, isSource } from "./sources.js";
import { type Destination, portCount, type SourcePorts, type TupleGroup, type TuplePlan } from "./tuple-plan.js";

export interface PlannedTuples {
  readonly plan: TuplePlan;
  /** Host names among the destinations. */
  readonly names: readonly ResolvedName[];
  /** Number of destinations that a connection tries in order; always 1 unless the run has a single connection. */
  readonly tries: number;
  /** First destination that is not local to this host; undefined if both ends of each connection are here. */
  readonly foreign: IpAddress | undefined;
  /** The destinations as a condition on one end of a socket. */
  readonly endpoints: EndQuery;
  /**
   * Destinations without a source address, one entry per address. The plan contains no tuples for these destinations.
   */
  readonly unreachable: readonly BadSource[];
}

/** Number of connections above which a run counts as large and may take ports that others need. */
const LARGE = 1000;
const LOOPBACK_FIRST: IpAddress = { family: 4, bytes: Uint8Array.of(127, 0, 0, 1) };
const LOOPBACK_ADDRESSES = 2 ** 24 - 3;

/**
 * Creates a plan without the source addresses and destinations that are unusable according to what was read from the
 * host.
 *
 * @throws {AppError} E_NO_SOURCE when no source address of a destination's family was given
 */
export function planTuples(spec: TupleSpec, host: HostReadings): PlannedTuples {
  const used = spec.destinations.map((_, i) => {
    const { reachable } = host.resolved[i]!;
    return spec.resolve === "first" ? reachable.slice(0, 1) : reachable;
  });
  const destinations = withoutRepeats(
    spec.destinations.flatMap(({ ports }, i) =>
      Array.from({ length: ports.last - ports.first + 1 }, (_, n) => ports.first + n).flatMap((port) =>
        used[i]!.map((ip) => ({ ip: atLoopback(ip), port })),
      ),
    ),
  );
  // The ports of a range share an address object, so check each address once.
  const ips = new Set(destinations.map(({ ip }) => ip));
  const foreign = [...ips].find((ip) => !host.own.has(formatIp(ip)));
  // A local client that used the server's port as its source port would be counted as a connection of the server.
  const ports = planPorts(spec, host.ports, foreign ? [] : destinations);
  return {
    plan: { groups: groupBySources(spec, host, destinations, ports), ports },
    names: listNames(spec, host, used),
    tries: spec.isSingle ? used[0]!.length : 1,
    foreign,
    endpoints: endpointsQuery(destinations),
    unreachable: [...new Set([...ips].map((ip) => host.routes.get(formatIp(ip))!))].filter(
      (found): found is BadSource => !isSource(found),
    ),
  };
}

/** Groups destinations that are reached from the same sources. */
function groupBySources(
  spec: TupleSpec,
  host: HostReadings,
  destinations: readonly Destination[],
  ports: SourcePorts,
): TupleGroup[] {
  const groups = new Map<string, { sources: readonly AddressRange[]; destinations: Destination[] }>();
  const sourcesByIp = new Map<IpAddress, Sources | undefined>();
  for (const [number, destination] of destinations.entries()) {
    const { ip } = destination;
    if (!sourcesByIp.has(ip)) sourcesByIp.set(ip, findSources(ip, spec, host, ports, destinations.length));
    const found = sourcesByIp.get(ip);
    if (!found) continue;
    // A single connection tries the destinations in order.
    const key = spec.isSingle ? `${number}` : found.key;
    const group = groups.get(key);
    if (group) group.destinations.push(destination);
    else groups.set(key, { sources: found.list, destinations: [destination] });
  }
  return [...groups.values()];
}

interface Sources {
  readonly list: readonly AddressRange[];
  /** Returns equal keys for equal addresses. */
  readonly key: string;
}

/** @returns undefined if no packet can be sent to the address */
function findSources(
  ip: IpAddress,
  spec: TupleSpec,
  host: HostReadings,
  ports: SourcePorts,
  destinations: number,
): Sources | undefined {
  assertFamily(ip, spec);
  const route = host.routes.get(formatIp(ip))!;
  if (!isSource(route) && isHopeless(route)) return undefined;
  const list = sourcesFor(ip, spec, host, ports, destinations);
  return { list, key: list.map(({ first, count }) => `${formatIp(first)}+${count}`).join() };
}

function listNames(
  { destinations }: TupleSpec,
  { resolved }: HostReadings,
  used: readonly (readonly IpAddress[])[],
): ResolvedName[] {
  return destinations.flatMap(({ host }, i) => {
    // IP addresses are not names, in any notation.
    if (/^[\d.]+$|:/.test(host)) return [];
    const { ips, reachable } = resolved[i]!;
    return [
      {
        name: host,
        addresses: ips.map(formatIp),
        used: used[i]!.map(formatIp),
        unreachable: ips.filter((ip) => !reachable.includes(ip)).map(formatIp),
      },
    ];
  });
}

/** Removes duplicate destinations, so that their 4-tuples are planned only once. */
function withoutRepeats(destinations: readonly Destination[]): Destination[] {
  const texts = new Map<IpAddress, string>();
  const textOf = (ip: IpAddress) => {
    const text = texts.get(ip) ?? formatIp(ip);
    texts.set(ip, text);
    return text;
  };
  return [...new Map(destinations.map((each) => [`${textOf(each.ip)} ${each.port}`, each])).values()];
}

function assertFamily(ip: IpAddress, { sources }: TupleSpec): void {
  if (!sources || sources.some(({ first }) => parseIp(first).family === ip.family)) return;
  throw new AppError("E_NO_SOURCE", `no source address has the same family as ${formatIp(ip)}`, {
    fix: `add a --source-ip that is an IPv${ip.family} address`,
  });
}

/**
 * Returns the source addresses for a destination.
 * @param destinations total number of destinations
 */
function sourcesFor(
  ip: IpAddress,
  { sourcePorts, isSingle, connections }: TupleSpec,
  host: HostReadings,
  ports: SourcePorts,
  destinations: number,
): readonly AddressRange[] {
  if (host.sources) return host.sources.good.filter(({ first }) => first.family === ip.family);
  if (isSingle && sourcePorts === undefined) return [{ first: anyAddress(ip.family), count: 1 }];
  if (ip.family === 4 && isLoopback(ip)) {
    // Add a spare address, because other programs may use some of the ports.
    const needed = Math.ceil(connections / (portCount(ports) * destinations)) + 1;
    // Explicitly bound ports are unavailable to others, so a large run avoids 127.0.0.1.
    const first = connections > LARGE ? addToIp(LOOPBACK_FIRST, 1) : LOOPBACK_FIRST;
    return [{ first, count: Math.min(needed, LOOPBACK_ADDRESSES) }];
  }
  const route = host.routes.get(formatIp(ip))!;
  if (!isSource(route)) return [{ first: anyAddress(ip.family), count: 1 }];
  return (isLoopback(ip) ? [route] : [route, ...neighboursOf(route, host)]).map((first) => ({ first, count: 1 }));
}

/** Returns the other addresses of the same family on the same interface. */
function neighboursOf(source: IpAddress, { interfaces }: HostReadings): IpAddress[] {
  const text = formatIp(source);
  const holder = interfaces.find((list) => list.some((each) => formatIp(each) === text)) ?? [];
  // Link-local addresses can only reach one another.
  return holder.filter(
    (each) => each.family === source.family && formatIp(each) !== text && isLinkLocal(each) === isLinkLocal(source),
  );
}

function anyAddress(family: Family): IpAddress {
  return { family, bytes: new Uint8Array(family === 4 ? 4 : 16) };
}
