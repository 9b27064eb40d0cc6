// Maps 4-tuples to a server's connections: an open-addressing hash table in typed arrays.
import { randomBytes } from "node:crypto";
import type { IpAddress } from "../../util/address.js";
import { addToIp } from "../../util/address.js";
import type { ConnectionAddresses } from "../contract.js";
import { IdTable } from "./id-table.js";
import type { PacketListener } from "./listener.js";
import { grown } from "./tcp/connections.js";
import { type Endpoints, UNKNOWN } from "./tcp/endpoints.js";
import type { Segment } from "./tcp/segment.js";
import { get32, put16, put32, sumOf } from "./tcp/segment.js";

export class ServerEndpoints extends IdTable implements Endpoints {
  readonly family: 4 | 6;
  private readonly listener: PacketListener;
  /** Number of 32-bit words in an address: 1 or 4. */
  private readonly words: number;
  private readonly first: Uint8Array;
  private readonly firstLow: number;
  private readonly secret = randomBytes(4).readUInt32LE();
  /**
   * Per connection: address and port of the peer, and the offset of the local address in the range.
   */
  private remotes = new Uint32Array(0);
  private ports = new Uint16Array(0);
  private offsets = new Uint32Array(0);

  constructor(listener: PacketListener) {
    super();
    const { first } = listener.addresses;
    this.listener = listener;
    this.family = first.family;
    this.words = first.family === 4 ? 1 : 4;
    this.first = first.bytes;
    this.firstLow = get32(first.bytes, first.bytes.length - 4);
  }

  /** Returns whether a segment is for an address and port that the server listens on. */
  isFor({ bytes, destinationAt, destinationPort, family }: Segment): boolean {
    return family === this.family && destinationPort === this.listener.port && this.offsetOf(bytes, destinationAt) >= 0;
  }

  /** Gives connection `id` the addresses and ports of a segment that belongs to no connection yet. */
  assign(id: number, { bytes, sourceAt, destinationAt, sourcePort }: Segment): void {
    if (id >= this.ports.length) this.lengthen(id);
    for (let n = 0; n < this.words; n++) this.remotes[id * this.words + n] = get32(bytes, sourceAt + 4 * n);
    this.ports[id] = sourcePort;
    if (this.offsets.length > 0) this.offsets[id] = this.offsetOf(bytes, destinationAt);
    this.add(id);
  }

  find(bytes: Uint8Array, localAt: number, remoteAt: number, localPort: number, remotePort: number): number {
    const offset = localPort === this.listener.port ? this.offsetOf(bytes, localAt) : -1;
    if (offset < 0) return UNKNOWN;
    const { table, words } = this;
    const mask = table.length - 1;
    let hash = this.begin(remotePort, offset);
    for (let n = 0; n < words; n++) hash = mixed(hash, get32(bytes, remoteAt + 4 * n));
    for (let at = hash & mask; table[at] !== 0; at = (at + 1) & mask) {
      const id = table[at]! - 1;
      if (this.ports[id] !== remotePort || (this.offsets.length > 0 && this.offsets[id] !== offset)) continue;
      let n = 0;
      while (n < words && this.remotes[id * words + n] === get32(bytes, remoteAt + 4 * n)) n++;
      if (n === words) return id;
    }
    return UNKNOWN;
  }

  writeEnds(id: number, bytes: Uint8Array, at: number, portsAt: number): number {
    const { words, first } = this;
    const addressBytes = words * 4;
    for (let i = 0; i < addressBytes; i++) bytes[at + i] = first[i]!;
    if (this.offsets.length > 0) put32(bytes, at + addressBytes - 4, this.firstLow + this.offsets[id]!);
    for (let n = 0; n < words; n++) put32(bytes, at + addressBytes + 4 * n, this.remotes[id * words + n]!);
    put16(bytes, portsAt, this.listener.port);
    put16(bytes, portsAt + 2, this.ports[id]!);
    return sumOf(bytes, at, 2 * addressBytes);
  }

  remotePort(id: number): number {
    return this.ports[id]!;
  }

  addresses(id: number): ConnectionAddresses {
    const { first } = this.listener.addresses;
    const ip = this.offsets.length > 0 ? addToIp(first, this.offsets[id]!) : first;
    return { local: { ip, port: this.listener.port }, remote: { ip: this.remoteIp(id), port: this.ports[id]! } };
  }

  /** Allocates. */
  remoteIp(id: number): IpAddress {
    const bytes = new Uint8Array(this.words * 4);
    for (let n = 0; n < this.words; n++) put32(bytes, 4 * n, this.remotes[id * this.words + n]!);
    return { family: this.family, bytes };
  }

  moved(from: number, to: number): void {
    if (to >= this.ports.length) this.lengthen(to);
    for (let n = 0; n < this.words; n++) this.remotes[to * this.words + n] = this.remotes[from * this.words + n]!;
    this.ports[to] = this.ports[from]!;
    if (this.offsets.length > 0) this.offsets[to] = this.offsets[from]!;
    this.replace(from, to);
    this.ports[from] = 0;
  }

  ended(id: number): void {
    // No connection can come from port 0.
    if (id >= this.ports.length || this.ports[id] === 0) return;
    this.remove(id);
    this.ports[id] = 0;
  }

  protected hashOf(id: number): number {
    let hash = this.begin(this.ports[id]!, this.offsets.length > 0 ? this.offsets[id]! : 0);
    for (let n = 0; n < this.words; n++) hash = mixed(hash, this.remotes[id * this.words + n]!);
    return hash;
  }

  private begin(port: number, offset: number): number {
    return mixed(this.secret ^ port, offset);
  }

  /** Returns the index of the local address in `bytes`, or -1. */
  private offsetOf(bytes: Uint8Array, at: number): number {
    const { first } = this;
    const lowAt = first.length - 4;
    const offset = get32(bytes, at + lowAt) - this.firstLow;
    if (offset < 0 || offset >= this.listener.addresses.count) return -1;
    for (let i = 0; i < lowAt; i++) if (first[i] !== bytes[at + i]) return -1;
    return offset;
  }

  private lengthen(id: number): void {
    const count = Math.max(id + 1, this.ports.length * 2, 64);
    this.remotes = grown(this.remotes, new Uint32Array(count * this.words));
    this.ports = grown(this.ports, new Uint16Array(count));
    if (this.listener.addresses.count > 1) this.offsets = grown(this.offsets, new Uint32Array(count));
  }
}

function mixed(hash: number, word: number): number {
  const x = Math.imul(hash ^ word, 0x9e3779b1);
  return x ^ (x >>> 15);
}
