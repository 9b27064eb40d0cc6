// Computes the addresses and ports of a client worker's 4-tuples from their numbers, and back. Tuples are numbered as
// in a plan (planning/tuple-plan.ts): destinations vary fastest, then ports, then source addresses.
import { addToIp, type IpAddress } from "../../util/address.js";
import type { AddressRange } from "../../util/address-range.js";
import { get16, get32, put16, put32, sumOf } from "./tcp/segment.js";

/** Plain data. All addresses are of one family, and there are fewer than 2^31 tuples. */
export interface PacketTuples {
  readonly sources: readonly AddressRange[];
  readonly firstPort: number;
  readonly portCount: number;
  readonly destinations: readonly { readonly ip: IpAddress; readonly port: number }[];
}

export class Tuples {
  readonly family: 4 | 6;
  private readonly plan: PacketTuples;
  /** First address of each range as bytes, its last 32 bits, and the number of addresses in it and before it. */
  private readonly firsts: Uint8Array[];
  private readonly firstLows: number[];
  private readonly counts: number[];
  private readonly before: number[] = [];
  private readonly firstPort: number;
  private readonly portCount: number;
  private readonly destinationCount: number;
  private readonly destinations: Uint8Array[];
  private readonly destinationPorts: number[];
  private readonly destinationSums: number[];
  private readonly addressBytes: number;

  constructor(plan: PacketTuples) {
    const { sources, destinations, firstPort, portCount } = plan;
    this.plan = plan;
    this.firstPort = firstPort;
    this.portCount = portCount;
    this.destinationCount = destinations.length;
    this.family = destinations[0]?.ip.family ?? sources[0]?.first.family ?? 4;
    this.addressBytes = this.family === 4 ? 4 : 16;
    this.firsts = sources.map(({ first }) => first.bytes);
    this.firstLows = this.firsts.map((bytes) => get32(bytes, bytes.length - 4));
    this.counts = sources.map(({ count }) => count);
    let total = 0;
    for (const { count } of sources) {
      this.before.push(total);
      total += count;
    }
    this.destinations = destinations.map(({ ip }) => ip.bytes);
    this.destinationPorts = destinations.map(({ port }) => port);
    this.destinationSums = destinations.map(({ ip }) => sumOf(ip.bytes, 0, ip.bytes.length));
  }

  /** Returns the number of the tuple between two addresses in `bytes`, or -1. */
  find(bytes: Uint8Array, localAt: number, remoteAt: number, localPort: number, remotePort: number): number {
    const { portCount, firstPort } = this;
    const step = localPort - firstPort;
    if (step < 0 || step >= portCount) return -1;
    const destination = this.findDestination(bytes, remoteAt, remotePort);
    if (destination < 0) return -1;
    const source = this.findSource(bytes, localAt);
    if (source < 0) return -1;
    return (source * portCount + step) * this.destinations.length + destination;
  }

  /**
   * Writes addresses and ports, source before destination.
   *
   * @param at offset of the addresses
   * @param portsAt offset of the ports
   * @returns the sum of the addresses as 16-bit words
   */
  writeEnds(number: number, bytes: Uint8Array, at: number, portsAt: number): number {
    const { addressBytes, portCount, destinationCount } = this;
    const round = destinationCount === 1 ? number : Math.floor(number / destinationCount);
    const destination = number - round * destinationCount;
    const source = Math.floor(round / portCount);
    const to = this.destinations[destination]!;
    for (let i = 0; i < addressBytes; i++) bytes[at + addressBytes + i] = to[i]!;
    put16(bytes, portsAt, this.firstPort + round - source * portCount);
    put16(bytes, portsAt + 2, this.destinationPorts[destination]!);
    return this.writeSource(source, bytes, at) + this.destinationSums[destination]!;
  }

  localPort(number: number): number {
    return this.firstPort + (this.roundOf(number) % this.portCount);
  }

  remotePort(number: number): number {
    return this.destinationPorts[number % this.destinationCount]!;
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
    return Math.floor(number / this.destinationCount);
  }

  private sourceOf(number: number): number {
    return Math.floor(this.roundOf(number) / this.portCount);
  }

  private rangeOf(source: number): number {
    let range = this.before.length - 1;
    while (range > 0 && source < this.before[range]!) range--;
    return range;
  }

  /**
   * Adds the address's offset in its range to the range's first address. Ranges do not cross a multiple of 2^32, so only
   * the last 32 bits change.
   *
   * @returns the sum of the address as 16-bit words
   */
  private writeSource(source: number, bytes: Uint8Array, at: number): number {
    const range = this.before.length === 1 ? 0 : this.rangeOf(source);
    const lowAt = this.addressBytes - 4;
    const low = (this.firstLows[range]! + source - this.before[range]!) >>> 0;
    put32(bytes, at + lowAt, low);
    let sum = (low >>> 16) + (low & 0xffff);
    if (lowAt === 0) return sum;
    const first = this.firsts[range]!;
    for (let i = 0; i < lowAt; i += 2) {
      const word = get16(first, i);
      put16(bytes, at + i, word);
      sum += word;
    }
    return sum;
  }

  private findDestination(bytes: Uint8Array, at: number, port: number): number {
    const { destinations, destinationPorts } = this;
    for (let n = 0; n < destinations.length; n++) {
      if (destinationPorts[n] === port && isEqual(destinations[n]!, bytes, at)) return n;
    }
    return -1;
  }

  /** The last 32 bits give an address's position in its range. */
  private findSource(bytes: Uint8Array, at: number): number {
    const lowAt = this.addressBytes - 4;
    const low = get32(bytes, at + lowAt);
    for (let n = 0; n < this.firsts.length; n++) {
      const offset = low - this.firstLows[n]!;
      if (offset < 0 || offset >= this.counts[n]!) continue;
      const first = this.firsts[n]!;
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
