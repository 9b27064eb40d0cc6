// When each connection's heartbeat is due: once an interval, spread evenly over the connections, so that a million of them are never sent at
// once. A cursor walks over the slots; it knows no clock, and what it had no time for is passed over rather than caught up.

/** Heartbeats that are due so close to each other are sent together: a thread need not wake for each. */
const TOGETHER_MS = 10;
/** A turn's share: the rest has later ones. */
const AT_ONCE = 512;

/** Who sends heartbeats. */
export interface HeartbeatCarrier {
  /** The heartbeat of `slot`, in which there need not be a connection, is due. */
  beat(slot: number): void;
}

export class Heartbeats {
  private readonly carrier: HeartbeatCarrier;
  private readonly intervalMs: number;
  /** Slots that the interval is dealt to: a power of two that grows with them. */
  private places = 1024;
  /** The next place; counted on from round to round. */
  private cursor = 0;
  private readonly startMs: number;

  constructor(carrier: HeartbeatCarrier, intervalMs: number, startMs: number) {
    this.carrier = carrier;
    this.intervalMs = intervalMs;
    this.startMs = startMs;
  }

  /** Milliseconds until the next heartbeat, some of which are waited for together. @param end one more than the highest slot */
  nextInMs(nowMs: number, end: number): number {
    const place = this.cursor % this.places;
    // No slot has the places from `end` on.
    const cursor = place < end ? this.cursor : this.cursor + this.places - place;
    const dueMs = this.startMs + Math.ceil(((cursor / this.places) * this.intervalMs) / TOGETHER_MS) * TOGETHER_MS;
    return Math.max(0, dueMs - nowMs);
  }

  /** Tells the carrier which slots below `end` are due by now. */
  sendDue(nowMs: number, end: number): void {
    while (end > this.places) this.grow();
    const reached = Math.floor(((nowMs - this.startMs) / this.intervalMs) * this.places);
    // A thread that stood still for longer than an interval owes one heartbeat a connection, and no more.
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
    // The place in the round that has the same moment: from there on each slot has one.
    this.cursor = round * this.places + within * 2;
  }
}
