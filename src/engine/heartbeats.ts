// Schedules heartbeats: one per connection and interval, spread evenly over the interval whatever the number of
// connections. A cursor visits the places of a round in time order. A slot's place is its number with the bits
// reversed, which spreads any number of slots evenly, and moves no slot when others are added.
import { LEAST_HEARTBEAT_GAP } from "../protocols/contract.js";

/** Heartbeats due within this period are sent together, so that the thread does not wake for each. */
const TOGETHER_MS = 10;
/** Maximum number of heartbeats per turn. The remaining heartbeats wait for later turns. */
const AT_ONCE = 512;
/**
 * Maximum delay to catch up on, as a share of the interval. A thread that falls further behind shifts the schedule: an
 * overloaded thread then stretches the interval for all connections instead of skipping some.
 */
const CAUGHT_UP = 1 - LEAST_HEARTBEAT_GAP;

/** Sender of heartbeats. */
export interface HeartbeatCarrier {
  /** Called when the heartbeat of `slot` is due. The slot may have no connection. */
  beat(slot: number): void;
}

export class Heartbeats {
  private readonly carrier: HeartbeatCarrier;
  private readonly intervalMs: number;
  /** Number of places in a round: 2 to the power of `bits`, less than twice the number of slots. */
  private places = 1;
  private bits = 0;
  /** Next place, counted across rounds. */
  private cursor = 0;
  private startMs: number;

  constructor(carrier: HeartbeatCarrier, intervalMs: number, startMs: number) {
    this.carrier = carrier;
    this.intervalMs = intervalMs;
    this.startMs = startMs;
  }

  /**
   * Returns the milliseconds until the next batch of heartbeats.
   * @param end highest slot plus one
   */
  nextInMs(nowMs: number, end: number): number {
    // Every other place has a slot in the lower half, which is always in use.
    const cursor = this.slotAt(this.cursor) < end ? this.cursor : this.cursor + 1;
    const afterMs = Math.ceil(((cursor / this.places) * this.intervalMs) / TOGETHER_MS) * TOGETHER_MS;
    return Math.max(0, this.startMs + afterMs - nowMs);
  }

  /** Calls the carrier for each slot below `end` that is due. */
  sendDue(nowMs: number, end: number): void {
    if (end > this.places) this.grow(nowMs, end);
    const { places, intervalMs } = this;
    const lateMs = nowMs - this.startMs - (this.cursor / places) * intervalMs;
    this.startMs += Math.max(0, lateMs - CAUGHT_UP * intervalMs);
    const reached = Math.floor(((nowMs - this.startMs) / intervalMs) * places);
    for (let n = 0; n < AT_ONCE && this.cursor <= reached; this.cursor++) {
      const slot = this.slotAt(this.cursor);
      if (slot >= end) continue;
      this.carrier.beat(slot);
      n++;
    }
  }

  /** Adds places between the existing ones for slots up to `end`. Existing places keep their times. */
  private grow(nowMs: number, end: number): void {
    const before = this.places;
    for (; end > this.places; this.bits++) this.places *= 2;
    const next = (this.cursor / before) * this.places;
    const now = Math.floor(((nowMs - this.startMs) / this.intervalMs) * this.places);
    // New slots get their first heartbeat within an interval, but not a heartbeat that was due before they existed.
    this.cursor = Math.min(next, now + 1);
  }

  private slotAt(cursor: number): number {
    return reversed(cursor % this.places, this.bits);
  }
}

/** Returns a number below 2^`bits` with its bits in reverse order. */
function reversed(number: number, bits: number): number {
  let left = number;
  let result = 0;
  for (let n = 0; n < bits; n++) {
    result = (result << 1) | (left & 1);
    left >>>= 1;
  }
  return result;
}
