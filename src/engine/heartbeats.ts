// Schedules heartbeats: one per connection and interval, spread evenly over the connections so that a million of them
// are never sent at once. A cursor walks over the slots. Heartbeats that cannot be sent in time are skipped rather than
// caught up.

/** Heartbeats due within this period are sent together, so that the thread does not wake for each. */
const TOGETHER_MS = 10;
/** Maximum number of heartbeats per turn. The rest wait for later turns. */
const AT_ONCE = 512;

/** Sender of heartbeats. */
export interface HeartbeatCarrier {
  /** The heartbeat of `slot` is due. The slot may be free. */
  beat(slot: number): void;
}

export class Heartbeats {
  private readonly carrier: HeartbeatCarrier;
  private readonly intervalMs: number;
  /** Number of slots that share the interval: a power of two that grows with them. */
  private places = 1024;
  /** Next place, counted across rounds. */
  private cursor = 0;
  private readonly startMs: number;

  constructor(carrier: HeartbeatCarrier, intervalMs: number, startMs: number) {
    this.carrier = carrier;
    this.intervalMs = intervalMs;
    this.startMs = startMs;
  }

  /** Returns the milliseconds until the next batch of heartbeats. @param end highest slot plus one */
  nextInMs(nowMs: number, end: number): number {
    const place = this.cursor % this.places;
    // Places from `end` on have no slot.
    const cursor = place < end ? this.cursor : this.cursor + this.places - place;
    const dueMs = this.startMs + Math.ceil(((cursor / this.places) * this.intervalMs) / TOGETHER_MS) * TOGETHER_MS;
    return Math.max(0, dueMs - nowMs);
  }

  /** Calls the carrier for each slot below `end` that is due. */
  sendDue(nowMs: number, end: number): void {
    while (end > this.places) this.grow();
    const reached = Math.floor(((nowMs - this.startMs) / this.intervalMs) * this.places);
    // A thread that was stalled for more than an interval sends at most one heartbeat per connection.
    if (reached - this.cursor > this.places) this.cursor = reached - this.places;
    for (let n = 0; n < AT_ONCE && this.cursor <= reached; ) {
      const slot = this.cursor % this.places;
      if (slot >= end) {
        this.cursor = Math.min(reached + 1, this.cursor + this.places - slot);
        continue;
      }
      this.carrier.beat(slot);
      this.cursor++;
      n++;
    }
  }

  private grow(): void {
    const round = Math.floor(this.cursor / this.places);
    const within = this.cursor - round * this.places;
    this.places *= 2;
    // Keep the position within the round, scaled to the doubled number of places.
    this.cursor = round * this.places + within * 2;
  }
}
