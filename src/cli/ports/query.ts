// What `fourtuple ports` is asked about: an address, options, and from them the conditions on sockets.

import { type SocketQuery, stateMask } from "../../socket-table/query.js";
import type { SocketFilter } from "../../socket-table/summary.js";
import type { TcpState } from "../../socket-table/view.js";
import {
  DEFAULT_HOST,
  formatEndpoint,
  type PortRange,
  parseAddressBlocks,
  parseHostPorts,
} from "../../util/address.js";

/** The endpoint that was asked about; `ip` is undefined where the port alone was given: any address. */
export interface PortTarget {
  readonly ip: string | undefined;
  readonly ports: PortRange;
  /** As text: `7777`, `127.0.0.1:7777`, `7777-7786`. */
  readonly name: string;
  /** The port or ports alone, as text. */
  readonly port: string;
}

export interface FilterOptions {
  readonly state?: readonly TcpState[];
  readonly peer?: string;
  readonly 4?: boolean;
  readonly 6?: boolean;
  readonly memory?: boolean;
}

const ANY = ["", "*", "0.0.0.0", "::"];

/**
 * Parses `host:port`; `:7777`, `7777` and `0.0.0.0:7777` mean that port at any address of this host.
 *
 * @throws {AppError} E_ADDRESS, or E_RESOLVE for a name that nobody knows
 */
export async function parseTarget(text: string): Promise<PortTarget> {
  const { host, ports } = parseHostPorts(text.replace(/^\*:/, ":"));
  const isNamed = text.includes(host) && host !== "" ? !ANY.includes(host) : host !== DEFAULT_HOST;
  const port = ports.first === ports.last ? `${ports.first}` : `${ports.first}-${ports.last}`;
  if (!isNamed) return { ip: undefined, ports, name: port, port };
  const { resolveHost } = await import("../../linux/resolve.js");
  const { formatIp } = await import("../../util/address.js");
  const ip = formatIp(await resolveHost(host));
  return { ip, ports, name: formatEndpoint(ip, 0).replace(/0$/, port), port };
}

/** @throws {AppError} E_ADDRESS when it is no address, list, range or CIDR block */
export function checkPeer(text: string): string {
  parseAddressBlocks(text);
  return text;
}

/** @throws {AppError} E_ADDRESS when an address is of a zone that is no interface of this host */
export async function checkZones(text: string): Promise<void> {
  if (!text.includes("%")) return;
  const { settleGivenZone } = await import("../../linux/zone.js");
  for (const { first } of parseAddressBlocks(text)) settleGivenZone(first);
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
