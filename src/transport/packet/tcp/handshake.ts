// Performs handshakes on both sides (RFC 9293, 3.10.7.2 to 3.10.7.4), including simultaneous open.
import { ECONNREFUSED, ETIMEDOUT } from "../../../linux/syscalls/errno.js";
import { SCALES, SHIFT_OFFSET, STATE, TCP } from "./connections.js";
import { answer, refuse, sendSegment } from "./output.js";
import { segmentArrived } from "./receiving.js";
import { FLAG, type Segment } from "./segment.js";
import { releaseIfIdle, time } from "./sending.js";
import type { TcpState } from "./tcp-state.js";

/**
 * Maximum number of retransmissions of a SYN and of a SYN-ACK, as in Linux: tcp_syn_retries, tcp_synack_retries.
 */
const SYN_RETRIES = 6;
const SYN_ACK_RETRIES = 5;
/** Segment size for a peer that announces none (RFC 9293, 3.7.1). */
const DEFAULT_MSS = { 4: 536, 6: 1220 } as const;
/** Smallest size that a peer can impose, as in Linux: tcp_min_snd_mss. */
const LEAST_MSS = 48;

/**
 * Sends the SYN of connection `id`.
 * @param key number that differs between 4-tuples
 */
export function beginOpening(stack: TcpState, id: number, key: number): void {
  stack.connections.flags[id] = TCP.synSent;
  stack.connections.rcvNxt[id] = 0;
  beginHandshake(stack, id, key, FLAG.syn);
}

/** Answers a peer's SYN as connection `id`. */
export function answerSyn(stack: TcpState, id: number, key: number): void {
  stack.connections.flags[id] = TCP.synReceived;
  noteSyn(stack, id);
  beginHandshake(stack, id, key, FLAG.syn | FLAG.ack);
  noteMss(stack, id);
}

function beginHandshake(stack: TcpState, id: number, key: number, flags: number): void {
  const { connections, records } = stack;
  connections.sndNxt[id] = stack.initialSequence(key);
  const record = records.need(id);
  const iss = records.sndUna[record]!;
  sendSegment(stack, id, iss, flags, 0, 0);
  records.sndNxt[record] = records.sndMax[record] = (iss + 1) >>> 0;
  time(stack, record);
  armHandshake(stack, record);
}

function armHandshake({ records, roundTrips, nowMs }: TcpState, record: number): void {
  records.timers.set(record, nowMs + roundTrips.handshakeTimeoutMs(records.retries[record]!));
}

/** Takes the sequence number, window and options from the peer's SYN. */
function noteSyn(stack: TcpState, id: number): void {
  const { connections, segment } = stack;
  connections.rcvNxt[id] = segment.seq + 1;
  connections.window[id] = segment.window;
  const shift = segment.windowShift;
  if (shift >= 0) connections.add(id, SCALES | (shift << SHIFT_OFFSET));
}

function noteMss({ records, segment }: TcpState, id: number): void {
  records.peerMss[records.of(id)] = segment.mss || DEFAULT_MSS[segment.family];
}

/** Handles a segment in SYN-SENT. */
export function arrivedInSynSent(stack: TcpState, id: number, segment: Segment): void {
  const { connections, records, counters } = stack;
  const { flags } = segment;
  const record = records.of(id);
  // A connection without a 4-tuple has sent nothing.
  if (record < 0) return;
  const iss = records.sndUna[record]!;
  const isOurs = segment.ack === records.sndNxt[record];
  if (flags & FLAG.ack && !isOurs) {
    if (flags & FLAG.rst) return;
    // Otherwise, a peer could make this side send two packets for each of its own. The timer sends the SYN again.
    if (!stack.mayAnswer(id)) return;
    // The peer still has an earlier connection with this 4-tuple. Reset that connection, and try again.
    counters.earlierConnections++;
    answer(stack, segment, segment.ack, 0, FLAG.rst);
    sendSegment(stack, id, iss, FLAG.syn, 0, 0);
    return;
  }
  if (flags & FLAG.rst) {
    if (flags & FLAG.ack) stack.fail(id, ECONNREFUSED);
    return;
  }
  if (!(flags & FLAG.syn)) return;
  noteSyn(stack, id);
  noteMss(stack, id);
  if (flags & FLAG.ack) {
    established(stack, id, record);
    stack.oweAck(id);
    stack.events.established(id);
    return;
  }
  // Both sides have sent a SYN.
  connections.setState(id, TCP.synReceived);
  sendSegment(stack, id, iss, FLAG.syn | FLAG.ack, 0, 0);
}

/** Handles a segment in SYN-RECEIVED. */
export function arrivedInSynReceived(stack: TcpState, id: number, segment: Segment): void {
  const { connections, records } = stack;
  const { flags } = segment;
  const record = records.of(id);
  const offset = (segment.seq - connections.rcvNxt[id]!) | 0;
  if (flags & FLAG.rst) {
    if (offset === 0) stack.fail(id, ECONNREFUSED);
    return;
  }
  if (flags & FLAG.syn && offset === -1 && !(flags & FLAG.ack)) {
    // The SYN-ACK was lost.
    sendSegment(stack, id, records.sndUna[record]!, FLAG.syn | FLAG.ack, 0, 0);
    return;
  }
  if (!(flags & FLAG.ack)) return;
  if (segment.ack !== records.sndNxt[record]) {
    refuse(stack, segment);
    return;
  }
  // The window in a SYN is not scaled (RFC 7323); the one in an ACK is.
  if (!(flags & FLAG.syn)) connections.window[id] = segment.window;
  established(stack, id, record);
  stack.events.established(id);
  if ((connections.flags[id]! & STATE) === TCP.established) segmentArrived(stack, id, segment);
}

function established(stack: TcpState, id: number, record: number): void {
  const { connections, records, roundTrips } = stack;
  connections.setMss(id, Math.max(LEAST_MSS, records.peerMss[record]!), stack.mss);
  if (records.retries[record] === 0) roundTrips.measured(stack.nowMs - records.timedMs[record]!);
  // The window in a SYN-ACK is not scaled.
  const shift = (connections.flags[id]! >>> SHIFT_OFFSET) & 15;
  if (connections.state(id) === TCP.synSent) connections.window[id] = stack.segment.window >>> shift;
  connections.setState(id, TCP.established);
  records.timers.cancel(record);
  records.sndUna[record] = records.sndNxt[record]!;
  records.timedMs[record] = records.retries[record] = 0;
  releaseIfIdle(stack, id);
}

/** Handles an expired handshake timer: sends the SYN or SYN-ACK again. */
export function repeatHandshake(stack: TcpState, id: number, record: number): void {
  const { connections, records, counters } = stack;
  const isOpening = connections.state(id) === TCP.synSent;
  if (records.retries[record]! >= (isOpening ? SYN_RETRIES : SYN_ACK_RETRIES)) {
    stack.fail(id, records.softError[record]! || ETIMEDOUT);
    return;
  }
  records.retries[record]!++;
  counters.repeatedSyns++;
  sendSegment(stack, id, records.sndUna[record]!, isOpening ? FLAG.syn : FLAG.syn | FLAG.ack, 0, 0);
  armHandshake(stack, record);
}
