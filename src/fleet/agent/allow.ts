// The destinations that an agent may open connections to, whatever a coordinator asks.
import type { TuplePlan } from "../../planning/tuple-plan.js";
import { formatIp, type IpAddress, isLinkLocal, toInteger, unmapIp } from "../../util/address.js";
import { type AddressRange, parseAddressBlocks } from "../../util/address-range.js";
import { formatEndpoint, type PortRange, parsePorts } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { quoted } from "../../util/printable.js";
import { rangeText } from "./packet.js";

/** A permitted block of addresses and ports. */
export interface Permission {
  /** As given, for messages. */
  readonly text: string;
  readonly addresses: readonly AddressRange[];
  readonly ports: PortRange;
}

const ALL_PORTS: PortRange = { first: 1, last: 65_535 };
/** Loopback (RFC 1122, RFC 4291) and private addresses (RFC 1918, RFC 4193). */
export const DEFAULT_ALLOW = [
  "127.0.0.0/8",
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "[::1]",
  "[fc00::/7]",
] as const;

/**
 * Parses a permission: `10.0.0.0/8`, `10.0.0.5:7777`, `192.0.2.0/24:7000-7999`, `[fd00::/8]:443`.
 * @throws {AppError} E_ADDRESS
 */
export function parsePermission(text: string): Permission {
  const [, bracketed, plain, ports] = /^(?:\[([^\]]+)\]|([^:[\]]+))(?::([\d-]+))?$/.exec(text) ?? [];
  const block = bracketed ?? plain;
  if (block === undefined) {
    throw new AppError("E_ADDRESS", `${quoted(text)} is not a block of destinations`, {
      fix: "write it as 10.0.0.0/8, 10.0.0.5:7777, 192.0.2.0/24:7000-7999 or [fd00::/8]:443",
    });
  }
  return {
    text,
    addresses: parseAddressBlocks(block),
    ports: ports === undefined ? ALL_PORTS : parsePorts(ports, text),
  };
}

/**
 * Checks every destination of a plan.
 * @throws {AppError} E_NOT_AUTHORIZED naming the first destination that is not permitted
 */
export function assertAllowed({ groups }: TuplePlan, permissions: readonly Permission[]): void {
  const allowed = permissions.map(({ text }) => text).join(", ");
  for (const { ip, port } of groups.flatMap(({ destinations }) => destinations)) {
    if (permissions.some((permission) => permits(permission, one(ip), port))) continue;
    throw new AppError(
      "E_NOT_AUTHORIZED",
      `${formatEndpoint(formatIp(ip), port)} is not among the destinations that this agent may connect to: ${allowed}`,
      { fix: "if you are allowed to load that host, start the agent with --allow for it" },
    );
  }
}

/**
 * Checks the addresses that a server is to listen on. With 0.0.0.0 or ::, each address of this host counts, except
 * link-local ones, which no other network can reach.
 *
 * @param at one address; several without kernel sockets, which one permission has to cover
 * @param own addresses of this host, without loopback
 * @throws {AppError} E_NOT_AUTHORIZED naming the first address that is not permitted
 */
export function assertMayListen(
  at: AddressRange,
  port: number,
  own: readonly IpAddress[],
  permissions: readonly Permission[],
): void {
  const { first } = at;
  const reached = own.filter((each) => !isLinkLocal(each) && (first.family === 6 || each.family === 4));
  const isAny = toInteger(first) === 0n;
  // The kernel chooses any port for 0.
  const ports = port === 0 ? [ALL_PORTS.first, ALL_PORTS.last] : [port];
  for (const range of isAny ? reached.map(one) : [at]) {
    if (permissions.some((permission) => ports.every((each) => permits(permission, range, each)))) continue;
    throw new AppError(
      "E_NOT_AUTHORIZED",
      `${formatEndpoint(rangeText(range), port)} is not among the addresses that this agent may use: ${permissions.map(({ text }) => text).join(", ")}`,
      { fix: "listen on another address, or start the agent with --allow for this one" },
    );
  }
}

function permits({ addresses, ports }: Permission, range: AddressRange, port: number): boolean {
  if (port < ports.first || port > ports.last) return false;
  const ip = unmapIp(range.first);
  const value = toInteger(ip);
  return addresses.some(({ first, count }) => {
    const from = toInteger(first);
    return first.family === ip.family && value >= from && value + BigInt(range.count) <= from + BigInt(count);
  });
}

function one(first: IpAddress): AddressRange {
  return { first, count: 1 };
}
