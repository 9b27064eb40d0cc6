// Writes and reads TCP segments independently of the code under test, and provides in-memory devices for the stack in
// user space.
import { NativeBuffer } from "../../src/linux/syscalls/libc.js";
import type { PacketDevice, PacketSink } from "../../src/transport/packet/devices/device.js";
import { parseIp } from "../../src/util/address.js";

export interface SegmentText {
  readonly from: string;
  readonly to: string;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly seq: number;
  readonly ack?: number;
  /** Flags: any of the letters S, F, R, P and A. */
  readonly flags: string;
  readonly window?: number;
  readonly options?: readonly number[];
  readonly data?: string;
}

const FLAGS = "FSRPA";

function checksumOf(bytes: Buffer): number {
  let sum = 0;
  for (let at = 0; at < bytes.length; at += 2) sum += bytes[at]! * 256 + (bytes[at + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function ipPacket(from: string, to: string, protocol: number, payload: Buffer): Buffer {
  const [source, destination] = [parseIp(from).bytes, parseIp(to).bytes];
  if (source.length === 16) {
    const header = Buffer.alloc(8);
    header[0] = 0x60;
    header.writeUInt16BE(payload.length, 4);
    header[6] = protocol;
    header[7] = 64;
    return Buffer.concat([header, source, destination, payload]);
  }
  const header = Buffer.alloc(20);
  header[0] = 0x45;
  header.writeUInt16BE(20 + payload.length, 2);
  header[8] = 64;
  header[9] = protocol;
  header.set(source, 12);
  header.set(destination, 16);
  header.writeUInt16BE(checksumOf(header), 10);
  return Buffer.concat([header, payload]);
}

function pseudoHeader(from: string, to: string, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(4);
  tail[1] = protocol;
  tail.writeUInt16BE(length, 2);
  return Buffer.concat([parseIp(from).bytes, parseIp(to).bytes, tail]);
}

/** Returns the IP packet of a segment. */
export function segmentPacket(text: SegmentText): Buffer {
  const { from, to, seq, ack = 0, window = 65_535, options = [], data = "" } = text;
  const header = Buffer.alloc(20);
  header.writeUInt16BE(text.sourcePort, 0);
  header.writeUInt16BE(text.destinationPort, 2);
  header.writeUInt32BE(seq >>> 0, 4);
  header.writeUInt32BE(ack >>> 0, 8);
  header[12] = ((20 + options.length) / 4) << 4;
  header[13] = [...text.flags].reduce((bits, flag) => bits | (1 << FLAGS.indexOf(flag)), 0);
  header.writeUInt16BE(window, 14);
  const tcp = Buffer.concat([header, Buffer.from(options), Buffer.from(data, "latin1")]);
  tcp.writeUInt16BE(checksumOf(Buffer.concat([pseudoHeader(from, to, 6, tcp.length), tcp])), 16);
  return ipPacket(from, to, 6, tcp);
}

/** Returns an ICMP message about a packet. */
export function icmpPacket(from: string, to: string, type: number, code: number, about: Buffer): Buffer {
  const message = Buffer.concat([Buffer.from([type, code, 0, 0, 0, 0, 0, 0]), about.subarray(0, 28)]);
  message.writeUInt16BE(checksumOf(message), 2);
  return ipPacket(from, to, 1, message);
}

/** Reads a packet, and checks its checksums. */
export function readSegment(packet: Buffer): Required<SegmentText> {
  const isV4 = packet[0]! >>> 4 === 4;
  const start = isV4 ? 20 : 40;
  const [from, to] = isV4
    ? [textOf(packet.subarray(12, 16)), textOf(packet.subarray(16, 20))]
    : [textOf(packet.subarray(8, 24)), textOf(packet.subarray(24, 40))];
  const tcp = packet.subarray(start);
  if (isV4 && checksumOf(packet.subarray(0, 20)) !== 0) throw new Error("bad IP checksum");
  if (isV4 && packet.readUInt16BE(2) !== packet.length) throw new Error("bad IP length");
  if (checksumOf(Buffer.concat([pseudoHeader(from, to, 6, tcp.length), tcp])) !== 0) throw new Error("bad checksum");
  const header = (tcp[12]! >>> 4) * 4;
  return {
    ...{ from, to },
    sourcePort: tcp.readUInt16BE(0),
    destinationPort: tcp.readUInt16BE(2),
    seq: tcp.readUInt32BE(4),
    ack: tcp.readUInt32BE(8),
    flags: [...FLAGS].filter((_, bit) => tcp[13]! & (1 << bit)).join(""),
    window: tcp.readUInt16BE(14),
    options: [...tcp.subarray(20, header)],
    data: tcp.toString("latin1", header),
  };
}

function textOf(bytes: Buffer): string {
  if (bytes.length === 4) return [...bytes].join(".");
  return Array.from({ length: 8 }, (_, n) => bytes.readUInt16BE(2 * n).toString(16)).join(":");
}

/** A device whose sent packets a test reads from `sent`, and which delivers those that the test adds to `arriving`. */
export class MemoryDevice implements PacketDevice {
  readonly mtu = 1500;
  readonly completesChecksums = false;
  isGone = false;
  /** What check() finds, although reading and writing report nothing. */
  isRemoved = false;
  readonly tx = Buffer.alloc(4096);
  readonly sent: Buffer[] = [];
  readonly arriving: Buffer[] = [];
  /** Called for every wait; it may advance the clock, and add packets to `arriving`. */
  onWait: () => void = () => undefined;
  /** Arguments of the last wait. */
  lastWait = { waitMs: 0, least: 1 };
  private readonly rx = new NativeBuffer(4096);

  frame(): number {
    return 16;
  }

  push(at: number, length: number): void {
    this.sent.push(Buffer.from(this.tx.subarray(at, at + length)));
  }

  flush(): void {
    // Packets are sent immediately.
  }

  wait(waitMs: number, least: number): void {
    this.lastWait = { waitMs, least };
    this.onWait();
  }

  receive(sink: PacketSink, max: number): boolean {
    for (let n = 0; n < max; n++) {
      const packet = this.arriving.shift();
      if (!packet) return false;
      this.sink(packet, sink, false);
    }
    return this.arriving.length > 0;
  }

  check(): void {
    if (this.isRemoved) this.isGone = true;
  }

  /**
   * Passes a packet to a stack immediately.
   * @param isTrusted whether the checksum is trusted rather than verified
   */
  sink(packet: Buffer, stack: PacketSink, isTrusted: boolean): void {
    packet.copy(this.rx.bytes, 32);
    stack.packet(this.rx, 32, packet.length, isTrusted);
  }

  close(): void {
    // There is nothing to close.
  }
}

/** Returns a function that yields the same numbers from 0 to 1 in every run (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}
