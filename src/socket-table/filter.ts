// Converts filters from users or the library's callers to queries.

import { resolveGivenZone } from "../linux/zone.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import { type AddressRange, parseAddressBlocks } from "../util/address-range.js";
import { parsePorts } from "../util/endpoint.js";
import { type EndQuery, type SocketQuery, stateMask } from "./query.js";

/** Filter for sockets. All conditions must hold; an empty filter matches all sockets. */
export interface SocketFilter {
  /** Port at either end: `7777`, `"7777-7786"`. */
  readonly port?: number | string | undefined;
  /**
   * Address at either end; if `port` is given too, both must match at the same end: `"127.0.0.1"`,
   * a list, a range, CIDR.
   */
  readonly ip?: string | undefined;
  readonly localPort?: number | string | undefined;
  readonly localIp?: string | undefined;
  readonly remotePort?: number | string | undefined;
  readonly remoteIp?: string | undefined;
  readonly states?: readonly TcpState[] | undefined;
  /** Same as `ss -4` and `-6`. */
  readonly family?: 4 | 6 | undefined;
  /** Whether to include kernel memory. */
  readonly memory?: boolean | undefined;
  readonly source?: SourceName | undefined;
}

/**
 * Converts a filter to a query.
 *
 * @throws {AppError} E_ADDRESS for an invalid address or port
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

/** Returns `ip` and `port` as conditions on one end; undefined if neither is given. */
export function parseEnd(ip: string | undefined, port: number | string | undefined): EndQuery | undefined {
  if (ip === undefined && port === undefined) return undefined;
  return {
    ports: port === undefined ? undefined : [parsePorts(String(port))],
    addresses: ip === undefined ? undefined : parseAddresses(ip),
  };
}

/** Like parseAddressBlocks(), but with zones that are interface names of this host. */
function parseAddresses(text: string): AddressRange[] {
  return parseAddressBlocks(text).map(({ first, count }) => ({ first: resolveGivenZone(first), count }));
}
