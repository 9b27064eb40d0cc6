// Writes outgoing segments: those of connections, and replies to packets that belong to no connection.
import { ACK_DELAYED, ACK_DUE, SCALES, TCP } from "./connections.js";
import {
  FLAG,
  fold,
  ipHeaderBytes,
  PROTOCOL,
  put16,
  put32,
  type Segment,
  sumOf,
  TCP_HEADER,
  writeSynOptions,
} from "./segment.js";
import type { TcpState } from "./tcp-state.js";

const MAX_HEADERS = 40 + TCP_HEADER + 8;
const HOP_LIMIT = 64;
const DONT_FRAGMENT = 0x4000;
const MAX_WINDOW = 0xffff;
const WINDOW_BYTES = 0xffff;

/** Returns how many more bytes the peer may send: the window that the connection's segments announce. */
export function receiveWindow({ records }: TcpState, id: number): number {
  const record = records.of(id);
  return record < 0 ? WINDOW_BYTES : Math.max(0, WINDOW_BYTES - records.unread.length[record]!);
}

/**
 * Sends a segment without data. Its sequence number follows everything sent so far: after a timeout, SND.NXT is lower,
 * and the peer would not accept a segment with a number that it has already received.
 */
export function sendControl(stack: TcpState, id: number, flags: number): void {
  const record = stack.records.of(id);
  const seq = record < 0 ? stack.connections.sndNxt[id]! : stack.records.sndMax[record]!;
  sendSegment(stack, id, seq, flags, 0, 0);
}

/** Sends an ACK at once. */
export function sendAck(stack: TcpState, id: number): void {
  sendControl(stack, id, FLAG.ack);
}

/**
 * Sends a segment of a connection.
 *
 * @param skip offset of the segment's data in the connection's send queue
 * @param length number of bytes
 */
export function sendSegment(
  stack: TcpState,
  id: number,
  seq: number,
  flags: number,
  skip: number,
  length: number,
): void {
  const { device, endpoints, connections } = stack;
  const { family } = endpoints;
  const at = device.frame(MAX_HEADERS + length);
  const bytes = device.tx;
  const tcpAt = at + ipHeaderBytes(family);
  const addressSum = endpoints.writeEnds(id, bytes, family === 4 ? at + 12 : at + 8, tcpAt);
  let header = TCP_HEADER;
  if (flags & FLAG.syn) {
    const isAnswer = (flags & FLAG.ack) !== 0;
    header += writeSynOptions(bytes, tcpAt + TCP_HEADER, stack.mss, !isAnswer || connections.has(id, SCALES));
  }
  if (length > 0) stack.records.unsent.copy(stack.records.of(id), skip, length, bytes, tcpAt + header);
  put32(bytes, tcpAt + 4, seq);
  if (flags & FLAG.ack) {
    put32(bytes, tcpAt + 8, connections.rcvNxt[id]!);
    connections.remove(id, ACK_DUE | ACK_DELAYED);
  } else put32(bytes, tcpAt + 8, 0);
  const window = connections.state(id) === TCP.synSent ? MAX_WINDOW : receiveWindow(stack, id);
  finish(stack, at, addressSum, header, flags, length, window);
}

/** Refuses a segment that belongs to no connection (RFC 9293, 3.10.7.1). */
export function refuse(stack: TcpState, segment: Segment): void {
  if (segment.flags & FLAG.rst) return;
  const { flags, payloadLength } = segment;
  const length = payloadLength + (flags & FLAG.syn ? 1 : 0) + (flags & FLAG.fin ? 1 : 0);
  if (flags & FLAG.ack) answer(stack, segment, segment.ack, 0, FLAG.rst);
  else answer(stack, segment, 0, (segment.seq + length) >>> 0, FLAG.rst | FLAG.ack);
  stack.counters.strays++;
}

/** Sends a segment back to the sender of a received one. */
export function answer(stack: TcpState, segment: Segment, seq: number, ack: number, flags: number): void {
  const { device } = stack;
  const { family, bytes: from, sourceAt, destinationAt } = segment;
  const addressBytes = family === 4 ? 4 : 16;
  const at = device.frame(MAX_HEADERS);
  const bytes = device.tx;
  const tcpAt = at + ipHeaderBytes(family);
  const addressesAt = family === 4 ? at + 12 : at + 8;
  for (let i = 0; i < addressBytes; i++) {
    bytes[addressesAt + i] = from[destinationAt + i]!;
    bytes[addressesAt + addressBytes + i] = from[sourceAt + i]!;
  }
  put16(bytes, tcpAt, segment.destinationPort);
  put16(bytes, tcpAt + 2, segment.sourcePort);
  put32(bytes, tcpAt + 4, seq);
  put32(bytes, tcpAt + 8, ack);
  finish(stack, at, sumOf(bytes, addressesAt, 2 * addressBytes), TCP_HEADER, flags, 0, 0, family);
}

/** Fills in the remaining headers and the checksums, and passes the packet to the device. */
function finish(
  stack: TcpState,
  at: number,
  addressSum: number,
  header: number,
  flags: number,
  length: number,
  window: number,
  family = stack.endpoints.family,
): void {
  const { device } = stack;
  const bytes = device.tx;
  const tcpBytes = header + length;
  const tcpAt = at + ipHeaderBytes(family);
  if (family === 4) {
    const total = 20 + tcpBytes;
    put16(bytes, at, 0x4500);
    put16(bytes, at + 2, total);
    // The identification may be 0, because the packet is never fragmented (RFC 6864).
    put32(bytes, at + 4, DONT_FRAGMENT);
    const word = (HOP_LIMIT << 8) | PROTOCOL.tcp;
    put16(bytes, at + 8, word);
    put16(bytes, at + 10, ~fold(0x4500 + total + DONT_FRAGMENT + word + addressSum));
  } else {
    put32(bytes, at, 0x60000000);
    put16(bytes, at + 4, tcpBytes);
    put16(bytes, at + 6, (PROTOCOL.tcp << 8) | HOP_LIMIT);
  }
  put16(bytes, tcpAt + 12, (header << 10) | flags);
  put16(bytes, tcpAt + 14, window);
  put32(bytes, tcpAt + 16, 0);
  const pseudo = addressSum + PROTOCOL.tcp + tcpBytes;
  if (device.completesChecksums) put16(bytes, tcpAt + 16, fold(pseudo));
  else put16(bytes, tcpAt + 16, ~fold(pseudo + sumOf(bytes, tcpAt, tcpBytes)));
  device.push(at, tcpAt - at + tcpBytes);
  stack.counters.sentPackets++;
}
