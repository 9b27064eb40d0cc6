// Converts the options and target of `fourtuple ports` to filters for the summaries and for the socket table.

import type { TcpState } from "../../results/sockets/socket-table.js";
import { type SocketQuery, stateMask } from "../../socket-table/query.js";
import type { SocketFilter } from "../../socket-table/summary.js";
import { parseAddressBlocks } from "../../util/address-range.js";
import type { PortTarget } from "./target.js";

export interface FilterOptions {
  readonly state?: readonly TcpState[];
  readonly peer?: string;
  readonly 4?: boolean;
  readonly 6?: boolean;
  readonly memory?: boolean;
}

/**
 * @throws {AppError} E_ADDRESS if the text is not an address, list, range or CIDR block
 */
export function checkPeer(text: string): string {
  parseAddressBlocks(text);
  return text;
}

/** @throws {AppError} E_ADDRESS if the zone of an address is not an interface of this host */
export async function checkZones(text: string): Promise<void> {
  if (!text.includes("%")) return;
  const { resolveGivenZone } = await import("../../linux/zone.js");
  for (const { first } of parseAddressBlocks(text)) resolveGivenZone(first);
}

/** Returns the filter for summaries. */
export function toFilter(target: PortTarget | undefined, options: FilterOptions): SocketFilter {
  return {
    port: target?.port,
    ip: target?.ip,
    remoteIp: options.peer,
    states: options.state,
    family: familyOf(options),
    memory: options.memory,
  };
}

/** Returns the query for the socket table. */
export function toQuery(target: PortTarget | undefined, options: FilterOptions): SocketQuery {
  const addresses = target?.ip === undefined ? undefined : parseAddressBlocks(target.ip);
  return {
    states: options.state && stateMask(options.state),
    family: familyOf(options),
    either: target && { ports: [target.ports], addresses },
    remote: options.peer === undefined ? undefined : { addresses: parseAddressBlocks(options.peer) },
    wildcardListeners: true,
    memory: options.memory,
  };
}

function familyOf(options: FilterOptions): 4 | 6 | undefined {
  if (options[4] === options[6]) return undefined;
  return options[4] ? 4 : 6;
}
