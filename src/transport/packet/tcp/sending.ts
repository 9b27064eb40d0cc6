// Sends data: keeps the queue of unacknowledged bytes, respects the peer's window and a congestion window (RFC 5681),
// and handles acknowledgements, retransmissions and zero-window probes.
import { ETIMEDOUT } from "../../../linux/syscalls/errno.js";
import { BLOCKED, RECORD, STATE, TCP } from "./connections.js";
import { finAcknowledged } from "./lingering.js";
import { sendSegment } from "./output.js";
import { FLAG, type Segment } from "./segment.js";
import type { TcpState } from "./tcp-state.js";

/** Maximum number of bytes in a connection's send queue. */
const QUEUE_BYTES = 64 * 1024;
const MOST_SEGMENTS = 0xffff;
/** Number of duplicate ACKs after which a segment counts as lost. */
const DUPLICATES = 3;
/** Number of retransmissions before a connection fails, as in Linux: tcp_retries2, tcp_orphan_retries. */
const RETRIES = 15;
const ORPHAN_RETRIES = 8;

/**
 * Appends bytes to a connection's queue, and sends as much as the windows allow.
 *
 * @param most maximum number of bytes to take
 * @returns number of bytes taken; if it is less than `length`, sent() follows
 */
export function enqueue(
  stack: TcpState,
  id: number,
  bytes: Uint8Array,
  offset: number,
  most: number,
  length: number,
): number {
  const { connections, records } = stack;
  if (length === 0) return 0;
  const record = records.need(id);
  const room = Math.min(most, QUEUE_BYTES - records.unsent.length[record]!);
  const taken = records.unsent.append(record, bytes, offset, room);
  if (taken < length) connections.add(id, BLOCKED);
  // A connection without queued bytes waits for chunks that other connections free.
  if (records.unsent.length[record] === 0) stack.starved.push(id);
  else if (taken > 0) transmit(stack, id, record);
  return taken;
}

/** Whether the connection's last byte, or its FIN, is acknowledged. */
function isDone(stack: TcpState, id: number, record: number): boolean {
  return stack.records.unsent.length[record] === 0 && !owesFin(stack.connections.flags[id]! & STATE);
}

/** Whether this side's FIN is queued or sent, but not acknowledged. */
export function owesFin(state: number): boolean {
  return state === TCP.finWait1 || state === TCP.closing || state === TCP.lastAck;
}

/** Sends data, and the FIN, as far as the windows allow. */
export function transmit(stack: TcpState, id: number, record: number): void {
  const { connections, records } = stack;
  const una = records.sndUna[record]!;
  const queued = records.unsent.length[record]!;
  const fin = owesFin(connections.flags[id]! & STATE) ? 1 : 0;
  const window = connections.windowOf(id);
  const mss = stack.mssOf(id);
  const limit = Math.min(window, records.cwnd[record]! * mss);
  let inFlight = (records.sndNxt[record]! - una) >>> 0;
  while (inFlight < queued + fin) {
    const left = queued - inFlight;
    const room = limit - inFlight;
    // A bare FIN takes no room in the peer's buffer.
    if (left > 0 && room <= 0) break;
    const length = Math.min(left, mss, Math.max(0, room));
    // Avoid small segments while data is in flight (RFC 9293, 3.8.6.2.1).
    if (length < left && length < mss && inFlight > 0) break;
    const endsWithFin = fin === 1 && length === left;
    const flags = FLAG.ack | (length > 0 && length === left ? FLAG.psh : 0) | (endsWithFin ? FLAG.fin : 0);
    const seq = (una + inFlight) >>> 0;
    sendSegment(stack, id, seq, flags, inFlight, length);
    const isNew = ((seq - records.sndMax[record]!) | 0) >= 0;
    if (!isNew) stack.counters.retransmitted++;
    inFlight += length + (endsWithFin ? 1 : 0);
    records.sndNxt[record] = (una + inFlight) >>> 0;
    if (!isNew) continue;
    records.sndMax[record] = records.sndNxt[record]!;
    if (records.timedMs[record] === 0) time(stack, record);
  }
  if (inFlight > 0 || queued > 0) {
    if (!records.timers.isSet(record)) arm(stack, record);
  } else if (fin === 0) records.timers.cancel(record);
}

/** Starts timing the acknowledgement of everything sent so far. */
export function time(stack: TcpState, record: number): void {
  stack.records.timedSeq[record] = stack.records.sndNxt[record]!;
  stack.records.timedMs[record] = Math.max(1, stack.nowMs);
}

/** Sets the timer for retransmissions and probes. */
export function arm(stack: TcpState, record: number): void {
  const { records, roundTrips } = stack;
  records.timers.set(record, stack.nowMs + roundTrips.timeoutMs(records.retries[record]!));
}

/**
 * Handles the acknowledgement number of an acceptable segment.
 *
 * @param isOwnWindow whether the segment's window is current, because the segment is in order
 * @returns false if the segment acknowledges data that was never sent
 */
export function acknowledged(stack: TcpState, id: number, segment: Segment, isOwnWindow: boolean): boolean {
  const { connections, records } = stack;
  const { ack, window } = segment;
  const record = records.of(id);
  if (record < 0) {
    if (isOwnWindow) connections.window[id] = window;
    return ((ack - connections.sndNxt[id]!) | 0) <= 0;
  }
  const una = records.sndUna[record]!;
  if (((ack - records.sndMax[record]!) | 0) > 0) return false;
  const advance = (ack - una) | 0;
  const wasWindow = connections.window[id]!;
  if (isOwnWindow && advance >= 0) connections.window[id] = window;
  if (advance > 0) advanced(stack, id, record, advance);
  else if (advance === 0) {
    // This answers a probe. Answers do not keep a connection alive that the role has closed.
    const isProbed = records.retries[record]! > 0 && connections.window[id] === 0;
    if (isProbed && !connections.isOrphan(id)) records.retries[record] = 1;
    const isDuplicate = segment.payloadLength === 0 && window === wasWindow && (segment.flags & FLAG.fin) === 0;
    if (isDuplicate && records.sndNxt[record] !== una) duplicated(stack, id, record);
  }
  if (records.of(id) === record) {
    if (!isDone(stack, id, record)) transmit(stack, id, record);
    if (connections.has(id, BLOCKED) && hasRoom(stack, record)) stack.unblocked(id);
    releaseIfIdle(stack, id);
  }
  return true;
}

/** Removes acknowledged bytes from the queue. */
function advanced(stack: TcpState, id: number, record: number, advance: number): void {
  const { records, connections } = stack;
  const ack = (records.sndUna[record]! + advance) >>> 0;
  const bytes = Math.min(advance, records.unsent.length[record]!);
  records.unsent.drop(record, bytes);
  records.sndUna[record] = ack;
  if (((records.sndNxt[record]! - ack) | 0) < 0) records.sndNxt[record] = ack;
  if (records.timedMs[record] !== 0 && ((ack - records.timedSeq[record]!) | 0) >= 0) {
    // A retransmitted segment yields no valid sample (Karn's algorithm).
    if (records.retries[record] === 0) stack.roundTrips.measured(stack.nowMs - records.timedMs[record]!);
    records.timedMs[record] = 0;
  }
  records.retries[record] = 0;
  records.softError[record] = 0;
  const isMissing = ((records.recover[record]! - ack) | 0) > 0;
  // A partial acknowledgement shows the next gap (RFC 6582).
  if (isMissing && records.duplicateAcks[record]! >= DUPLICATES) resendFirst(stack, id, record);
  else {
    records.duplicateAcks[record] = 0;
    open(stack, record);
  }
  records.timers.cancel(record);
  if (records.sndNxt[record] !== ack) arm(stack, record);
  // The FIN follows all data.
  if (bytes < advance && owesFin(connections.flags[id]! & STATE)) finAcknowledged(stack, id);
}

/** Opens the congestion window: by one segment per ACK in slow start, later by one per window. */
function open({ records }: TcpState, record: number): void {
  const cwnd = records.cwnd[record]!;
  if (cwnd >= MOST_SEGMENTS) return;
  if (cwnd < records.ssthresh[record]!) records.cwnd[record]!++;
  else if (++records.credit[record]! >= cwnd) {
    records.credit[record] = 0;
    records.cwnd[record]!++;
  }
}

function duplicated(stack: TcpState, id: number, record: number): void {
  const { records } = stack;
  if (records.duplicateAcks[record]! < 255) records.duplicateAcks[record]!++;
  if (records.duplicateAcks[record] !== DUPLICATES) return;
  const segments = Math.ceil(((records.sndNxt[record]! - records.sndUna[record]!) >>> 0) / stack.mssOf(id));
  records.ssthresh[record] = Math.max(2, segments >>> 1);
  records.cwnd[record] = records.ssthresh[record]!;
  records.recover[record] = records.sndMax[record]!;
  resendFirst(stack, id, record);
}

/** Sends the first unacknowledged segment again. */
function resendFirst(stack: TcpState, id: number, record: number): void {
  const { records, connections } = stack;
  const queued = records.unsent.length[record]!;
  const length = Math.min(queued, stack.mssOf(id));
  const hasFin = length === queued && owesFin(connections.flags[id]! & STATE);
  records.timedMs[record] = 0;
  stack.counters.retransmitted++;
  sendSegment(stack, id, records.sndUna[record]!, FLAG.ack | (hasFin ? FLAG.fin : 0), 0, length);
}

/** Handles an expired timer after the handshake: retransmits, or probes a closed window. */
export function retransmit(stack: TcpState, id: number, record: number): void {
  const { records, connections } = stack;
  const limit = connections.isOrphan(id) ? ORPHAN_RETRIES : RETRIES;
  if (records.retries[record]! >= limit) {
    stack.fail(id, records.softError[record]! || ETIMEDOUT);
    return;
  }
  records.retries[record]!++;
  records.timedMs[record] = 0;
  const inFlight = (records.sndNxt[record]! - records.sndUna[record]!) >>> 0;
  if (inFlight === 0 && connections.windowOf(id) === 0 && records.unsent.length[record]! > 0) {
    stack.counters.probes++;
    // An old sequence number makes the peer answer.
    sendSegment(stack, id, (records.sndUna[record]! - 1) >>> 0, FLAG.ack, 0, 0);
  } else {
    const segments = Math.ceil(inFlight / stack.mssOf(id));
    if (records.retries[record] === 1) records.ssthresh[record] = Math.max(2, segments >>> 1);
    records.cwnd[record] = 1;
    records.credit[record] = records.duplicateAcks[record] = 0;
    records.recover[record] = records.sndMax[record]!;
    records.sndNxt[record] = records.sndUna[record]!;
    transmit(stack, id, record);
  }
  arm(stack, record);
}

/** Frees the record of a connection that no longer needs it. */
export function releaseIfIdle(stack: TcpState, id: number): void {
  const { records, connections } = stack;
  const flags = connections.flags[id]!;
  const state = flags & STATE;
  if ((flags & (RECORD | BLOCKED)) !== RECORD || (state !== TCP.established && state !== TCP.closeWait)) return;
  const record = records.of(id);
  if (records.sndNxt[record] !== records.sndUna[record]) return;
  if (records.unsent.length[record]! + records.unread.length[record]! === 0) records.release(id);
}

/** Whether a connection for which the role waits can accept more bytes. */
function hasRoom(stack: TcpState, record: number): boolean {
  return stack.records.unsent.length[record]! <= QUEUE_BYTES / 2;
}
