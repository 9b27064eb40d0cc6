// Computes the addresses and ports of a client worker's 4-tuples from their numbers, and back. Tuples are numbered as
// in a plan (planning/tuple-plan.ts): destinations vary fastest, then ports, then source addresses.
import { addToIp, type IpAddress } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { get16, get32, put16, sumOf } from "./tcp/segment.js";

/** Plain data. All addresses are of one family. */
export interface PacketTuples {
  readonly sources: readonly AddressRange[];
  readonly firstPort: number;
  readonly portCount: number;
  readonly destinations: readonly { readonly ip: IpAddress; readonly port: number }[];
}

/** Maximum number of tuples. Numbers must fit into an Int32Array, so tuples beyond that are not used. */
const MOST_TUPLES = 2 ** 30;

export class Tuples {
  readonly family: 4 | 6;
  readonly count: number;
  private readonly plan: PacketTuples;
  /** First address of each range, as bytes, and the number of addresses in the ranges before it. */
  private readonly firsts: Uint8Array[];
  private readonly before: number[] = [];
  private readonly destinations: Uint8Array[];
  private readonly destinationSums: number[];
  private readonly addressBytes: number;

  constructor(plan: PacketTuples) {
    const { sources, destinations, portCount } = plan;
    this.plan = plan;
    this.family = destinations[0]?.ip.family ?? sources[0]?.first.family ?? 4;
    this.addressBytes = this.family === 4 ? 4 : 16;
    this.firsts = sources.map(({ first }) => first.bytes);
    let total = 0;
    for (const { count } of sources) {
      this.before.push(total);
      total += count;
    }
    this.destinations = destinations.map(({ ip }) => ip.bytes);
    this.destinationSums = destinations.map(({ ip }) => sumOf(ip.bytes, 0, ip.bytes.length));
    this.count = Math.min(MOST_TUPLES, total * portCount * destinations.length);
  }

  /** Returns the number of the tuple between two addresses in `bytes`, or -1. */
  find(bytes: Uint8Array, localAt: number, remoteAt: number, localPort: number, remotePort: number): number {
    const { portCount, firstPort } = this.plan;
    const step = localPort - firstPort;
    if (step < 0 || step >= portCount) return -1;
    const destination = this.findDestination(bytes, remoteAt, remotePort);
    if (destination < 0) return -1;
    const source = this.findSource(bytes, localAt);
    if (source < 0) return -1;
    const number = (source * portCount + step) * this.destinations.length + destination;
    return number < this.count ? number : -1;
  }

  /**
   * Writes the source and destination address.
   * @returns their sum as 16-bit words
   */
  writeAddresses(number: number, bytes: Uint8Array, at: number): number {
    const { addressBytes } = this;
    const destination = number % this.destinations.length;
    const to = this.destinations[destination]!;
    this.writeSource(this.sourceOf(number), bytes, at);
    for (let i = 0; i < addressBytes; i++) bytes[at + addressBytes + i] = to[i]!;
    return sumOf(bytes, at, addressBytes) + this.destinationSums[destination]!;
  }

  localPort(number: number): number {
    return this.plan.firstPort + (this.roundOf(number) % this.plan.portCount);
  }

  remotePort(number: number): number {
    return this.plan.destinations[number % this.destinations.length]!.port;
  }

  /** Returns the source address of a tuple. Allocates. */
  sourceIp(number: number): IpAddress {
    const source = this.sourceOf(number);
    const range = this.rangeOf(source);
    return addToIp(this.plan.sources[range]!.first, source - this.before[range]!);
  }

  destinationIp(number: number): IpAddress {
    return this.plan.destinations[number % this.destinations.length]!.ip;
  }

  private roundOf(number: number): number {
    return Math.floor(number / this.destinations.length);
  }

  private sourceOf(number: number): number {
    return Math.floor(this.roundOf(number) / this.plan.portCount);
  }

  private rangeOf(source: number): number {
    let range = this.before.length - 1;
    while (range > 0 && source < this.before[range]!) range--;
    return range;
  }

  /** Adds the address's offset in its range to the range's first address. */
  private writeSource(source: number, bytes: Uint8Array, at: number): void {
    const range = this.rangeOf(source);
    const first = this.firsts[range]!;
    let carry = source - this.before[range]!;
    for (let i = this.addressBytes - 2; i >= 0; i -= 2) {
      const word = get16(first, i) + carry;
      put16(bytes, at + i, word & 0xffff);
      carry = word >>> 16;
    }
  }

  private findDestination(bytes: Uint8Array, at: number, port: number): number {
    const { destinations, plan } = this;
    for (let n = 0; n < destinations.length; n++) {
      if (plan.destinations[n]!.port === port && isEqual(destinations[n]!, bytes, at)) return n;
    }
    return -1;
  }

  /** Ranges do not cross a multiple of 2^32, so the last 32 bits give an address's position in its range. */
  private findSource(bytes: Uint8Array, at: number): number {
    const lowAt = this.addressBytes - 4;
    const low = get32(bytes, at + lowAt);
    for (let n = 0; n < this.firsts.length; n++) {
      const first = this.firsts[n]!;
      const offset = low - get32(first, lowAt);
      if (offset < 0 || offset >= this.plan.sources[n]!.count) continue;
      let i = 0;
      while (i < lowAt && first[i] === bytes[at + i]) i++;
      if (i === lowAt) return this.before[n]! + offset;
    }
    return -1;
  }
}

function isEqual(address: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = address.length - 1; i >= 0; i--) if (address[i] !== bytes[at + i]) return false;
  return true;
}
