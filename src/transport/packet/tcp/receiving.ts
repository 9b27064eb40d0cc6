// Receiving on a synchronized connection (RFC 9293, 3.10.7.4). Data that arrives out of order is dropped and answered
// with a duplicate ACK, so that it needs no memory.
import { ECONNRESET } from "../../../linux/syscalls/errno.js";
import { FIN_UNTOLD, STATE, TCP } from "./connections.js";
import { waitOut } from "./lingering.js";
import { receiveWindow, refuse, sendAck } from "./output.js";
import { FLAG, type Segment } from "./segment.js";
import { acknowledged } from "./sending.js";
import type { TcpState } from "./tcp-state.js";

/** Handles a segment of a connection that is ESTABLISHED or being closed. */
export function segmentArrived(stack: TcpState, id: number, segment: Segment): void {
  const { connections, counters } = stack;
  const { flags } = segment;
  const window = receiveWindow(stack, id);
  const offset = (segment.seq - connections.rcvNxt[id]!) | 0;
  const length = segment.payloadLength + (flags & FLAG.fin ? 1 : 0);
  // The segment is acceptable if at least one of its bytes is in the window, or if it is empty and starts at the
  // window's start.
  const isAcceptable = offset === 0 || (offset < 0 ? length > -offset : offset < window);
  if (flags & FLAG.rst) {
    // RFC 5961: a reset anywhere else in the window is answered with a challenge ACK.
    if (offset === 0) stack.fail(id, ECONNRESET);
    else if (isAcceptable) challenge(stack, id);
    return;
  }
  if (flags & FLAG.syn) {
    // Either the last ACK of the handshake was lost, or the peer has lost this connection, and our ACK makes it send a
    // reset.
    challenge(stack, id);
    return;
  }
  if (!(flags & FLAG.ack)) return;
  if (!isAcceptable && length === 0) {
    // This is a keep-alive, or a probe of this side's window.
    counters.probed++;
    if (stack.mayAnswer(id)) sendAck(stack, id);
    return;
  }
  if (!acknowledged(stack, id, segment, offset === 0)) {
    challenge(stack, id);
    return;
  }
  const state = connections.flags[id]! & STATE;
  if (length === 0 || state === TCP.closed) return;
  if (offset > 0) {
    counters.outOfOrder++;
    sendAck(stack, id);
  } else if (!isAcceptable) {
    counters.repeated++;
    sendAck(stack, id);
  } else accept(stack, id, segment, -offset, window);
}

/** Processes the segment's data from byte `skip`, and its FIN. */
function accept(stack: TcpState, id: number, segment: Segment, skip: number, window: number): void {
  const { connections, records } = stack;
  const state = connections.flags[id]! & STATE;
  const available = segment.payloadLength - Math.min(skip, segment.payloadLength);
  // What is acknowledged must fit, in case the role does not read it at once.
  const taken = Math.min(available, window, records.unread.roomFor(records.of(id)));
  if (available > 0 && (state === TCP.established || state === TCP.finWait1 || state === TCP.finWait2)) {
    if (connections.isOrphan(id)) {
      // The role has closed the connection, so nobody will read this data.
      refuse(stack, segment);
      stack.forget(id);
      return;
    }
    connections.rcvNxt[id] = connections.rcvNxt[id]! + taken;
    if (segment.flags & FLAG.fin || taken < available) stack.oweAck(id);
    else stack.acknowledge(id);
    if (taken > 0) deliver(stack, id, segment, segment.payloadAt + skip, taken);
  } else stack.oweAck(id);
  // Data before the FIN is missing, so the peer will send the FIN again.
  if ((segment.flags & FLAG.fin) === 0 || taken < available) return;
  // The role may have closed the connection, which then has another number.
  const now = stack.connections.state(id) === TCP.closed ? stack.find() : id;
  if (now >= 0) finArrived(stack, now);
}

function deliver(stack: TcpState, id: number, segment: Segment, at: number, length: number): void {
  const { connections, records } = stack;
  const record = records.of(id);
  const used =
    record >= 0 && records.unread.length[record]! > 0 ? 0 : stack.events.received(id, stack.buffer, at, length);
  if (used === length || (connections.flags[id]! & STATE) === TCP.closed) return;
  records.unread.append(records.need(id), segment.bytes, at + used, length - used);
  stack.events.queued(id);
}

/** Handles the peer's FIN, once all data before it has been received. */
function finArrived(stack: TcpState, id: number): void {
  const { connections, records } = stack;
  const state = connections.flags[id]! & STATE;
  if (state === TCP.established) {
    connections.rcvNxt[id] = connections.rcvNxt[id]! + 1;
    connections.setState(id, TCP.closeWait);
    const record = records.of(id);
    if (record >= 0 && records.unread.length[record]! > 0) connections.add(id, FIN_UNTOLD);
    else stack.events.ended(id);
  } else if (state === TCP.finWait1 || state === TCP.finWait2) {
    connections.rcvNxt[id] = connections.rcvNxt[id]! + 1;
    if (state === TCP.finWait1) connections.setState(id, TCP.closing);
    sendAck(stack, id);
    if (state === TCP.finWait2) waitOut(stack, id);
  } else if (state === TCP.timeWait) waitOut(stack, id);
}

/** Sends a challenge ACK for an unacceptable segment, with a limit per turn (RFC 5961). */
function challenge(stack: TcpState, id: number): void {
  if (stack.challengesLeft <= 0) return;
  stack.challengesLeft--;
  stack.counters.challenges++;
  sendAck(stack, id);
}
