// Times out the handshakes of accepted connections. All handshakes have the same time limit, so they expire in
// the order in which they started.
import { grown } from "../protocols/columns.js";
import { SlotQueue } from "./slot-queue.js";

/** Maximum number of timed-out handshakes ended per turn. */
const ENDED_AT_ONCE = 256;

/** The connections with handshakes. */
export interface Handshakes {
  /** Returns whether the handshake of `slot` is still in progress. */
  isPending(slot: number): boolean;
  /** Ends the connection in `slot`. */
  timedOut(slot: number): void;
}

export class Deadlines {
  private readonly handshakes: Handshakes;
  private readonly timeoutMs: number;
  /** Handshakes in the order in which they started. A slot may have been reused since. */
  private readonly waiting = new SlotQueue();
  private startedMs = new Float64Array(0);

  constructor(handshakes: Handshakes, timeoutMs: number) {
    this.handshakes = handshakes;
    this.timeoutMs = timeoutMs;
  }

  begin(slot: number, nowMs: number): void {
    if (slot >= this.startedMs.length) this.startedMs = grown(this.startedMs, Math.max(slot, 1023));
    this.startedMs[slot] = nowMs;
    this.waiting.push(slot);
  }

  /**
   * Ends timed-out handshakes.
   * @returns milliseconds until the next timeout
   */
  endLate(): number {
    const { waiting, handshakes } = this;
    for (let n = 0; n < ENDED_AT_ONCE && waiting.length > 0; n++) {
      const slot = waiting.first;
      const leftMs = this.startedMs[slot]! + this.timeoutMs - performance.now();
      if (handshakes.isPending(slot) && leftMs > 0) return leftMs;
      waiting.shift();
      if (handshakes.isPending(slot)) handshakes.timedOut(slot);
    }
    return waiting.length > 0 ? 0 : Number.POSITIVE_INFINITY;
  }
}
