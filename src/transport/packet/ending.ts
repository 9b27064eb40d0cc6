// Ends all connections of a worker: with RST, with FIN, or because the device is gone.
import { closeSlot } from "./tcp/closing.js";
import { TCP } from "./tcp/connections.js";
import { sendControl } from "./tcp/output.js";
import { FLAG } from "./tcp/segment.js";
import type { Stack } from "./tcp/stack.js";

/** Number of connections ended between abort checks. */
const RESET_AT_ONCE = 1024;
/** Number of FINs sent before their acknowledgements are read: far fewer than a device queues. */
const FINISHED_AT_ONCE = 256;
/** Time for the next peer to acknowledge our FIN, for all of them, and then for them to send theirs. */
const LAST_WORDS_MS = 2000;
const MOST_LAST_WORDS_MS = 30_000;
const LAST_FINS_MS = 250;
const LAST_WORDS_WAIT_MS = 5;
/** A segment that is lost by chance is rarely lost twice more. */
const RETRANSMISSIONS = 2;
const PACKETS_AT_ONCE = 1024;

/** Resets all connections of the role. Their state stays as it is, which is faster than freeing each of them. */
export function resetAll(stack: Stack, isAborted: () => boolean): void {
  const { connections } = stack;
  for (let slot = 0; slot < connections.end; slot++) {
    if (slot % RESET_AT_ONCE === 0 && isAborted()) return;
    const state = connections.state(slot);
    if (state !== TCP.closed && state !== TCP.synSent) sendControl(stack, slot, FLAG.rst | FLAG.ack);
  }
}

/** Closes all connections of the role with FIN, and waits for their peers, with a time limit. */
export function finishAll(stack: Stack, isAborted: () => boolean): void {
  const { connections } = stack;
  for (let slot = 0; slot < connections.end; slot++) {
    if (slot % FINISHED_AT_ONCE === 0) {
      if (isAborted()) return;
      exchange(stack, 0);
    }
    if (connections.state(slot) !== TCP.closed) closeSlot(stack, slot);
  }
  waitForLastWords(stack, isAborted);
}

/** Returns the number of open connections whose oldest data was sent again at least twice, and is not acknowledged. */
export function countUnacknowledged({ connections, records }: Stack): number {
  let count = 0;
  for (let slot = 0; slot < connections.end; slot++) {
    const record = connections.state(slot) === TCP.established ? records.of(slot) : -1;
    if (record < 0 || records.retries[record]! < RETRANSMISSIONS) continue;
    // A peer without room for more is sent probes instead.
    if (records.sndMax[record] !== records.sndUna[record]) count++;
  }
  return count;
}

/** Reports that no connection can go on, for the reason `errno`. */
export function failAll(stack: Stack, errno: number): void {
  const { connections } = stack;
  for (let slot = 0, { end } = connections; slot < end; slot++) {
    if (connections.state(slot) !== TCP.closed) stack.events.failed(slot, errno);
  }
  for (let id = connections.orphanBase; id < connections.orphanLimit; id++) {
    if (connections.state(id) !== TCP.closed) stack.forget(id);
  }
}

function waitForLastWords(stack: Stack, isAborted: () => boolean): void {
  const { connections } = stack;
  const latestMs = performance.now() + MOST_LAST_WORDS_MS;
  let endMs = latestMs;
  let left = Number.POSITIVE_INFINITY;
  for (let now = performance.now(); now < endMs && !isAborted(); now = performance.now()) {
    const count = countOf(stack, isUnderWay);
    if (count < left) endMs = Math.min(latestMs, now + (count > 0 ? LAST_WORDS_MS : LAST_FINS_MS));
    left = Math.min(left, count);
    if (left === 0 && countOf(stack, isLingering) === 0) return;
    exchange(stack, LAST_WORDS_WAIT_MS);
  }
  for (let id = connections.orphanBase; id < connections.orphanLimit; id++) {
    if (isUnderWay(connections.state(id))) sendControl(stack, id, FLAG.rst | FLAG.ack);
  }
}

/** Runs the stack's timers, sends what is due, and handles all packets that have arrived. */
function exchange(stack: Stack, waitMs: number): void {
  stack.beginTurn(performance.now());
  stack.device.wait(waitMs, 1);
  stack.setClock(performance.now());
  while (stack.device.receive(stack, PACKETS_AT_ONCE));
}

/** Returns the number of orphans whose state satisfies the predicate. */
function countOf({ connections }: Stack, is: (state: number) => boolean): number {
  let count = 0;
  for (let id = connections.orphanBase; id < connections.orphanLimit; id++) if (is(connections.state(id))) count++;
  return count;
}

/** Whether this side's FIN, or data before it, has not been acknowledged. */
function isUnderWay(state: number): boolean {
  return state === TCP.finWait1 || state === TCP.closing || state === TCP.lastAck;
}

/** Whether the peer has yet to send its FIN, or to acknowledge ours. */
function isLingering(state: number): boolean {
  return state === TCP.finWait2 || isUnderWay(state);
}
