// Filters as a person or a library's caller writes them, made into queries.

import { resolveGivenZone } from "../linux/zone.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import { type AddressRange, parseAddressBlocks } from "../util/address-range.js";
import { parsePorts } from "../util/endpoint.js";
import { type EndQuery, type SocketQuery, stateMask } from "./query.js";

/** Which sockets to sum up, as a person writes them. All conditions must hold; none means all. */
export interface SocketFilter {
  /** This port at one end, whichever: `7777`, `"7777-7786"`. */
  readonly port?: number | string | undefined;
  /** This address at one end, whichever; with `port`, at the same end: `"127.0.0.1"`, a list, a range, CIDR. */
  readonly ip?: string | undefined;
  readonly localPort?: number | string | undefined;
  readonly localIp?: string | undefined;
  readonly remotePort?: number | string | undefined;
  readonly remoteIp?: string | undefined;
  readonly states?: readonly TcpState[] | undefined;
  /** As `ss -4` and `-6`. */
  readonly family?: 4 | 6 | undefined;
  /** Sum up the kernel's memory as well. */
  readonly memory?: boolean | undefined;
  readonly source?: SourceName | undefined;
}

/**
 * A filter as a query.
 *
 * @throws {AppError} E_ADDRESS for an address or a port that is none
 */
export function toQuery(filter: SocketFilter): SocketQuery {
  return {
    states: filter.states && stateMask(filter.states),
    family: filter.family,
    either: parseEnd(filter.ip, filter.port),
    local: parseEnd(filter.localIp, filter.localPort),
    remote: parseEnd(filter.remoteIp, filter.remotePort),
    wildcardListeners: true,
    memory: filter.memory,
    source: filter.source,
  };
}

/** `ip` and `port` as conditions on one end; undefined when neither is given. */
export function parseEnd(ip: string | undefined, port: number | string | undefined): EndQuery | undefined {
  if (ip === undefined && port === undefined) return undefined;
  return {
    ports: port === undefined ? undefined : [parsePorts(String(port))],
    addresses: ip === undefined ? undefined : parseAddresses(ip),
  };
}

/** As parseAddressBlocks(), zones by the names of this host's interfaces. */
function parseAddresses(text: string): AddressRange[] {
  return parseAddressBlocks(text).map(({ first, count }) => ({ first: resolveGivenZone(first), count }));
}
