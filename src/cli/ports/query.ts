// Which sockets `fourtuple ports` reads: its options and its target as conditions, for the summaries and for the table's reader.

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

/** @throws {AppError} E_ADDRESS when it is no address, list, range or CIDR block */
export function checkPeer(text: string): string {
  parseAddressBlocks(text);
  return text;
}

/** @throws {AppError} E_ADDRESS when an address is of a zone that is no interface of this host */
export async function checkZones(text: string): Promise<void> {
  if (!text.includes("%")) return;
  const { resolveGivenZone } = await import("../../linux/zone.js");
  for (const { first } of parseAddressBlocks(text)) resolveGivenZone(first);
}

/** Conditions as the summaries take them. */
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

/** The same as the table's reader takes them. */
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
