// Handles the states after a FIN, FIN_WAIT_2 and TIME_WAIT, which last a minute each.
import { STATE, TCP } from "./connections.js";
import type { TcpState } from "./tcp-state.js";

/** Duration of TIME_WAIT, and of an orphan's FIN_WAIT_2 (tcp_fin_timeout). */
const LINGER_MS = 60_000;
/**
 * Maximum number of connections in TIME_WAIT. Beyond that number, connections are dropped at once
 * (tcp_max_tw_buckets).
 */
const MOST_TIME_WAITS = 131_072;

/** Handles the acknowledgement of this side's FIN. */
export function finAcknowledged(stack: TcpState, id: number): void {
  const { connections, records } = stack;
  const state = connections.flags[id]! & STATE;
  if (state === TCP.lastAck) stack.forget(id);
  else if (state === TCP.closing) waitOut(stack, id);
  else {
    connections.setState(id, TCP.finWait2);
    records.timers.set(records.need(id), stack.nowMs + LINGER_MS);
  }
}

/** Enters or restarts TIME_WAIT. */
export function waitOut(stack: TcpState, id: number): void {
  const { connections, records } = stack;
  if (connections.state(id) !== TCP.timeWait) {
    if (stack.timeWaits >= MOST_TIME_WAITS) {
      stack.forget(id);
      return;
    }
    connections.setState(id, TCP.timeWait);
    stack.timeWaits++;
  }
  records.timers.set(records.need(id), stack.nowMs + LINGER_MS);
}
