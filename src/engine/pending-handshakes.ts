// Tracks protocol handshakes in progress, so that stalled ones time out. Takes 4 bytes per slot.
import { grown } from "../protocols/columns.js";

/** Number of scans of all slots per timeout period. */
const CHECKS = 8;

export class PendingHandshakes {
  /** The STEP to which a handshake's failure is attributed. */
  readonly step: number;
  private readonly timeoutMs: number;
  private count = 0;
  private nextCheckMs = 0;
  /** Start time of each handshake, in milliseconds since construction, plus one; 0 for none. */
  private beganMs = new Uint32Array(1024);
  private readonly startMs = performance.now();

  constructor(step: number, timeoutMs: number) {
    this.step = step;
    this.timeoutMs = timeoutMs;
  }

  begin(slot: number, nowMs: number): void {
    if (slot >= this.beganMs.length) this.beganMs = grown(this.beganMs, slot);
    this.count++;
    this.beganMs[slot] = nowMs - this.startMs + 1;
  }

  /** Ends the handshake of `slot`, if one is in progress. */
  end(slot: number): void {
    if (!this.has(slot)) return;
    this.beganMs[slot] = 0;
    this.count--;
  }

  has(slot: number): boolean {
    return slot < this.beganMs.length && this.beganMs[slot] !== 0;
  }

  isLate(slot: number, nowMs: number): boolean {
    return this.has(slot) && nowMs - this.startMs + 1 - this.beganMs[slot]! >= this.timeoutMs;
  }

  /** Returns whether it is time to scan for handshakes that have timed out. */
  mustCheck(nowMs: number): boolean {
    if (this.count === 0 || nowMs < this.nextCheckMs) return false;
    this.nextCheckMs = nowMs + this.timeoutMs / CHECKS;
    return true;
  }

  /** Returns the milliseconds until the next scan; Infinity if no handshake is in progress. */
  waitMs(nowMs: number): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.nextCheckMs - nowMs);
  }
}
