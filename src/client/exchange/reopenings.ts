// Reopens connections that the server has closed, as a connection pool does. Each connection keeps its slot and is
// reopened when its next message is due, so that a server that closes everything gets no more connections than there
// are messages to send.
import { grown } from "../../protocols/columns.js";
import { REPLACEABLE } from "../../protocols/contract.js";
import { Deadlines } from "../../transport/deadlines.js";
import { SlotQueue } from "../../transport/slot-queue.js";
import { COUNTER } from "../metrics.js";

// States of a slot.
const CONNECTED = 0;
/** The peer has announced that it will close the connection. */
const CLOSING = 1;
const CLOSED = 2;
/** The connection is closed, and a message is due. */
const WANTED = 3;
const OPENING = 4;
/** The connection has been reopened, but is not ready yet. */
const OPENED = 5;

/**
 * Time that a peer has to close a connection after announcing the close. After that time, this side closes the
 * connection.
 */
const CLOSING_MS = 50;
/** Delay before retrying when there was no room to reopen a connection. */
const RETRY_MS = 1;

/** Opens and closes the connections. */
export interface ReopeningsOwner {
  /**
   * Reopens the connection in `slot`.
   * @returns false if there is no room for now
   */
  reopen(slot: number): boolean;
  /** Closes the connection in `slot`, because the peer announced a close but did not follow through. */
  closeAnnounced(slot: number): void;
}

export class Reopenings {
  private readonly owner: ReopeningsOwner;
  private readonly counters: Float64Array;
  private readonly intervalMs: number;
  private states = new Uint8Array(0);
  /** By slot: index of the counter for the cause of the last close. */
  private causes = new Uint8Array(0);
  private readonly wanted = new SlotQueue();
  private readonly closing: Deadlines;
  private nextMs = 0;

  /** @param intervalMs minimum time between two attempts; 0 for none */
  constructor(owner: ReopeningsOwner, counters: Float64Array, intervalMs: number) {
    this.owner = owner;
    this.counters = counters;
    this.intervalMs = intervalMs;
    this.closing = new Deadlines((slot) => {
      if (this.states[slot] === CLOSING) owner.closeAnnounced(slot);
    }, CLOSING_MS);
  }

  /** Whether the slot has no connection that could carry messages. */
  isClosed(slot: number): boolean {
    const state = this.stateOf(slot);
    return state >= CLOSED && state <= OPENING;
  }

  /** Whether the slot's connection is being reopened but is not ready yet. */
  isReopening(slot: number): boolean {
    return this.stateOf(slot) >= OPENING;
  }

  /** Whether the slot has a connection or will have one again. */
  isKept(slot: number): boolean {
    return this.stateOf(slot) !== CONNECTED;
  }

  /** Called when the peer has announced that it will close the connection in `slot`. */
  announced(slot: number): void {
    this.set(slot, CLOSING);
    this.closing.begin(slot, performance.now());
  }

  /**
   * Called when the connection in `slot` has been closed.
   * @param cause one of REPLACEABLE
   */
  closed(slot: number, cause: number): void {
    this.set(slot, CLOSED);
    this.closing.end(slot);
    this.causes[slot] = causeCounter(cause);
    this.counters[COUNTER.toReopen]! += 1;
  }

  /** Called when a message of `slot` is due. */
  want(slot: number): void {
    if (this.states[slot] !== CLOSED) return;
    this.states[slot] = WANTED;
    this.wanted.push(slot);
  }

  /** The connection is ESTABLISHED. */
  established(slot: number): void {
    this.counters[this.causes[slot]!]! += 1;
  }

  /** Called when the connection can carry messages. */
  opened(slot: number): void {
    this.states[slot] = OPENED;
    this.counters[COUNTER.toReopen]! -= 1;
  }

  /** The connection is ready. */
  ready(slot: number): void {
    this.states[slot] = CONNECTED;
    this.counters[COUNTER.reopening]! -= 1;
  }

  /** Called when the connection could not be reopened, or ended before it was ready. */
  failed(slot: number): void {
    if (this.states[slot] === OPENING) this.counters[COUNTER.toReopen]! -= 1;
    this.counters[COUNTER.reopening]! -= 1;
    this.counters[COUNTER.unreopened]! += 1;
    this.states[slot] = CONNECTED;
  }

  /** Called when the connection in `slot` has ended and will not be reopened. */
  ended(slot: number): void {
    if (!this.isKept(slot)) return;
    this.states[slot] = CONNECTED;
    this.closing.end(slot);
  }

  /**
   * Reopens connections whose messages are due.
   * @param room number of connections that may be opened now
   * @returns whether more work can be done right away
   */
  turn(room: number): boolean {
    const { wanted, counters } = this;
    const nowMs = performance.now();
    this.closing.endLate(nowMs);
    for (let left = Math.min(room, wanted.length); left > 0; left--) {
      if (nowMs < this.nextMs) return false;
      const slot = wanted.shift();
      if (this.states[slot] !== WANTED) continue;
      if (!this.owner.reopen(slot)) {
        wanted.push(slot);
        this.nextMs = nowMs + RETRY_MS;
        return false;
      }
      this.states[slot] = OPENING;
      counters[COUNTER.reopening]! += 1;
      if (this.intervalMs > 0) this.nextMs = Math.max(nowMs, this.nextMs) + this.intervalMs;
    }
    return wanted.length > 0 && room > 0;
  }

  /**
   * Returns the time until turn() has work even if no event arrives.
   * @param hasRoom as for turn()
   */
  nextInMs(nowMs: number, hasRoom: boolean): number {
    const untilOpen = this.wanted.length > 0 && hasRoom ? this.nextMs - nowMs : Number.POSITIVE_INFINITY;
    return Math.max(0, Math.min(this.closing.waitMs(nowMs), untilOpen));
  }

  private stateOf(slot: number): number {
    return slot < this.states.length ? this.states[slot]! : CONNECTED;
  }

  private set(slot: number, state: number): void {
    if (slot >= this.states.length) {
      this.states = grown(this.states, slot);
      this.causes = grown(this.causes, slot);
    }
    this.states[slot] = state;
  }
}

function causeCounter(cause: number): number {
  if (cause === REPLACEABLE.announced) return COUNTER.reopenedAnnounced;
  return cause === REPLACEABLE.cutShort ? COUNTER.reopenedCutShort : COUNTER.reopenedIdle;
}
