// What `fourtuple ports` is asked about: an address, options, and from them the conditions on sockets.
import { DEFAULT_HOST, formatEndpoint, type PortRange, parseAddressBlocks, parseHostPorts } from "../base/address.js";
import { AppError } from "../base/errors.js";
import { type SocketQuery, stateMask } from "../ports/query.js";
import type { SocketFilter } from "../ports/summary.js";
import type { TcpState } from "../ports/view.js";
import { TCP_STATES } from "../sys/constants.js";

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

/** Those a person knows of: the kernel's own for no state and for a request socket are not among them. */
const STATES = TCP_STATES.filter((state) => state !== "UNKNOWN" && state !== "NEW_SYN_RECV");
/** What `ss` and netstat call them. */
const ALIASES: Readonly<Record<string, TcpState>> = {
  ESTAB: "ESTABLISHED",
  LISTENING: "LISTEN",
  SYNSENT: "SYN_SENT",
  SYNRECV: "SYN_RECV",
  FIN_WAIT_1: "FIN_WAIT1",
  FIN_WAIT_2: "FIN_WAIT2",
  TIMEWAIT: "TIME_WAIT",
  CLOSED: "CLOSE",
  UNCONN: "CLOSE",
  LASTACK: "LAST_ACK",
};
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
  const { resolveHost } = await import("../sys/resolve.js");
  const { formatIp } = await import("../base/address.js");
  const ip = formatIp(await resolveHost(host));
  return { ip, ports, name: formatEndpoint(ip, 0).replace(/0$/, port), port };
}

/** `established,time-wait`: names of RFC 9293 or of `ss`; the option is repeatable. */
export function addStates(text: string, before: readonly TcpState[] = []): TcpState[] {
  return [...before, ...text.split(",").map(parseState)];
}

/** @throws {AppError} E_ADDRESS when it is no address, list, range or CIDR block */
export function checkPeer(text: string): string {
  parseAddressBlocks(text);
  return text;
}

/** @throws {AppError} E_ADDRESS when an address is of a zone that is no interface of this host */
export async function checkZones(text: string): Promise<void> {
  if (!text.includes("%")) return;
  const { settleGivenZone } = await import("../sys/zone.js");
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

function parseState(text: string): TcpState {
  const name = text.trim().toUpperCase().replaceAll("-", "_");
  const found = STATES.find((state) => state === name) ?? ALIASES[name];
  if (found) return found;
  const nearest = [...STATES].sort((a, b) => distance(a, name) - distance(b, name))[0]!;
  throw new AppError("E_OPTION", `--state "${text.trim()}" is no TCP state`, {
    fix: `did you mean ${nearest}? The states are ${STATES.join(", ")}`,
  });
}

/** Levenshtein's: letters to add, take away or change. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
