// Divides an agent's addresses without kernel sockets among the loads that it gets in the course of a run: its own share,
// and later connections of lost agents. A load routes its addresses to devices of its own, so no two may have the same.
import { LEAST_TRIMMED } from "../../../planning/packet/plan.js";
import type { RunSpec } from "../../../planning/run-spec.js";
import { formatIp, fromInteger, parseIp, toInteger } from "../../../util/address.js";
import type { Ceiling } from "../../messages.js";

type Sources = NonNullable<RunSpec["sources"]>;

export class AddressPool {
  readonly #tuplesPerAddress: number;
  /** Addresses that are left, without repetitions. */
  #left: Sources;
  /** Connections that may still be given to the agent. */
  #undealt: number;

  private constructor(packet: Sources, tuplesPerAddress: number, most: number) {
    this.#left = withoutOverlaps(packet);
    this.#tuplesPerAddress = tuplesPerAddress;
    this.#undealt = most;
  }

  /**
   * @param total connections of the whole run
   * @returns undefined for an agent with kernel sockets
   */
  static of({ packet, tuplesPerAddress, connections }: Ceiling, total: number): AddressPool | undefined {
    if (packet === undefined || tuplesPerAddress === undefined) return undefined;
    return new AddressPool(packet, tuplesPerAddress, Math.min(connections, total));
  }

  /** How many connections the addresses that are left are enough for. */
  get room(): number {
    return countOf(this.#left) * this.#tuplesPerAddress;
  }

  /**
   * Takes the addresses of a load: half of them, but no fewer than it needs, and no more than the further connections
   * leave.
   *
   * @param connections 1 to `room`
   */
  take(connections: number): Sources {
    this.#undealt = Math.max(0, this.#undealt - connections);
    const count = countOf(this.#left);
    const most = Math.min(Math.floor(count / 2), count - this.#addressesFor(this.#undealt));
    const [taken, left] = cut(this.#left, Math.max(most, this.#addressesFor(connections)));
    this.#left = left;
    return taken;
  }

  #addressesFor(connections: number): number {
    return Math.ceil(connections / this.#tuplesPerAddress);
  }
}

/** Takes `count` addresses from the first ranges, or one more if that is needed to keep their routes apart. */
function cut(ranges: Sources, count: number): readonly [taken: Sources, left: Sources] {
  const taken: Sources[number][] = [];
  for (const [n, { first, count: own }] of ranges.entries()) {
    const wanted = count - countOf(taken);
    const size = Math.min(own, wanted + (own >= LEAST_TRIMMED - 2 && isOdd(first, wanted) ? 1 : 0));
    if (size > 0) taken.push({ first, count: size });
    if (size < own) return [taken, [{ first: after(first, size), count: own - size }, ...ranges.slice(n + 1)]];
  }
  return [taken, []];
}

/**
 * Returns whether the address at a distance is odd. A range that looks like a whole block but for its two ends is routed
 * with them. If the second part of a range begins with an even address, neither part looks like that.
 */
function isOdd(first: string, distance: number): boolean {
  return (toInteger(parseIp(first)) + BigInt(distance)) % 2n === 1n;
}

/** Merges ranges of one address family that overlap. */
function withoutOverlaps(ranges: Sources): Sources {
  const sorted = ranges
    .map(({ first, count }) => ({ first, count, from: toInteger(parseIp(first)) }))
    .sort((a, b) => (a.from < b.from ? -1 : 1));
  const merged: { first: string; count: number; from: bigint }[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    const gap = last ? range.from - (last.from + BigInt(last.count)) : 0n;
    if (last && gap < 0n) last.count = Math.max(last.count, Number(range.from - last.from) + range.count);
    else merged.push({ ...range });
  }
  return merged.map(({ first, count }) => ({ first, count }));
}

function after(first: string, distance: number): string {
  const ip = parseIp(first);
  return formatIp(fromInteger(toInteger(ip) + BigInt(distance), ip.family));
}

function countOf(ranges: Sources): number {
  return ranges.reduce((sum, { count }) => sum + count, 0);
}
