// Connections without kernel sockets on an agent's host: the addresses that its operator has set aside for them, and the
// changes to the host that they need during a run.
import { type NetworkPlan, refuseChanges } from "../../planning/packet/network.js";
import { NetworkChanges, type NetworkEvents } from "../../tuning/network-changes.js";
import { formatIp, fromInteger, type IpAddress, toInteger } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { AppError } from "../../util/errors.js";

/** What an agent may do for runs without kernel sockets. */
export interface PacketPermission {
  /** Addresses that belong to no host, for this agent alone. */
  readonly addresses: readonly AddressRange[];
  /** Whether it changes settings of its host for the duration of such a run. */
  readonly apply: boolean;
}

/**
 * Returns the part of a run's addresses that the agent may use.
 * @throws {AppError} E_NOT_AUTHORIZED if there is none
 */
export function ownPart(wanted: readonly AddressRange[], { addresses }: PacketPermission): AddressRange[] {
  const own = wanted.flatMap((range) => addresses.flatMap((permitted) => overlapOf(range, permitted)));
  if (own.length > 0) return own;
  throw new AppError(
    "E_NOT_AUTHORIZED",
    addresses.length === 0
      ? "this agent has no addresses for connections without kernel sockets"
      : `none of the addresses is among those that this agent has for connections without kernel sockets: ${addresses.map(rangeText).join(", ")}`,
    { fix: "start the agent with --packet-ip and a block that is routed to its host, such as 10.64.1.0/24" },
  );
}

/**
 * Returns the addresses that a server listens on: the agent's own part of a range. 0.0.0.0 and :: stand for all of the
 * agent's; of several ranges, a server has the first.
 *
 * @throws {AppError} E_NOT_AUTHORIZED if there are none
 */
export function ownServerPart(wanted: AddressRange, permission: PacketPermission): AddressRange {
  const { family } = wanted.first;
  const isAny = wanted.count === 1 && toInteger(wanted.first) === 0n;
  const ranges = isAny ? permission.addresses.filter(({ first }) => first.family === family) : [wanted];
  return ownPart(ranges, permission)[0]!;
}

/** Returns the function that prepares this host for a run, and one that reverts what it has changed. */
export function openChanges({ apply }: PacketPermission, events: Partial<NetworkEvents>) {
  const changes = new NetworkChanges({ transport: "packet", apply }, events);
  return {
    prepare: async (plan: NetworkPlan) => {
      if (!apply) assertNoChanges(plan);
      await changes.prepare(plan);
    },
    undo: () => changes.undo(),
  };
}

function assertNoChanges(plan: NetworkPlan): void {
  try {
    refuseChanges(plan);
  } catch (cause) {
    const { code, message } = cause as AppError;
    throw new AppError(code, message, {
      fix: "start the agent with --apply, which makes such changes until the end of the run",
      cause,
    });
  }
}

function overlapOf(a: AddressRange, b: AddressRange): AddressRange[] {
  if (a.first.family !== b.first.family) return [];
  const [from, to] = [larger(toInteger(a.first), toInteger(b.first)), smaller(endOf(a), endOf(b))];
  return from < to ? [{ first: fromInteger(from, a.first.family), count: Number(to - from) }] : [];
}

export function rangeText({ first, count }: AddressRange): string {
  return count === 1 ? formatIp(first) : `${formatIp(first)}-${formatIp(lastOf({ first, count }))}`;
}

function lastOf({ first, count }: AddressRange): IpAddress {
  return fromInteger(toInteger(first) + BigInt(count) - 1n, first.family);
}

function endOf({ first, count }: AddressRange): bigint {
  return toInteger(first) + BigInt(count);
}

const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);
