// Ends connections with FIN or RST. A connection that the role has closed lives on as an orphan until its peer has
// acknowledged everything.
import { ACK_DELAYED, ACK_DUE, BLOCKED, FIN_UNTOLD, RESTING, STATE, TCP } from "./connections.js";
import { sendControl } from "./output.js";
import { FLAG } from "./segment.js";
import { transmit } from "./sending.js";
import type { TcpState } from "./tcp-state.js";

/** Closes a slot's connection with a FIN after all data, or with an RST if received bytes are unread. */
export function closeSlot(stack: TcpState, slot: number): void {
  const { connections, records } = stack;
  const state = connections.flags[slot]! & STATE;
  const record = records.of(slot);
  const isOpen = state === TCP.established || state === TCP.closeWait;
  if (!isOpen || (record >= 0 && records.unread.length[record]! > 0)) {
    resetSlot(stack, slot);
    return;
  }
  const id = orphan(stack, slot);
  connections.setState(id, state === TCP.established ? TCP.finWait1 : TCP.lastAck);
  transmit(stack, id, records.need(id));
  if (connections.has(id, ACK_DUE | ACK_DELAYED)) {
    connections.remove(id, ACK_DUE | ACK_DELAYED);
    stack.oweAck(id);
  }
}

/** Ends a slot's connection with an RST, or silently if the peer has not answered yet. */
export function resetSlot(stack: TcpState, slot: number): void {
  const state = stack.connections.flags[slot]! & STATE;
  if (state !== TCP.synSent && state !== TCP.closed) sendControl(stack, slot, FLAG.rst | FLAG.ack);
  stack.forget(slot);
}

/** Moves the slot's connection to another number. */
function orphan(stack: TcpState, slot: number): number {
  const { connections, records, endpoints } = stack;
  const record = records.of(slot);
  const id = connections.orphan(slot);
  connections.clear(slot);
  connections.remove(id, BLOCKED | FIN_UNTOLD | RESTING);
  if (record >= 0) records.owner[record] = id;
  endpoints.moved(slot, id);
  return id;
}
