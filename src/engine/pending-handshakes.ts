// Which connections are not ready in the protocol yet, and since when: a peer that does not go on with its handshake must not stay for ever.
// 4 bytes a slot.
import { grown } from "../protocols/columns.js";

/** All slots are looked at so often in the time that a handshake has. */
const LOOKS = 8;

export class PendingHandshakes {
  /** The step in which a handshake fails, one of STEP. */
  readonly step: number;
  private readonly timeoutMs: number;
  private count = 0;
  private nextLookMs = 0;
  /** When a handshake began, in milliseconds since this was made, and one; 0 for none. */
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

  /** The handshake of `slot` is over, if one was under way. */
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

  /** Whether it is time to look for those that are late. */
  mustLook(nowMs: number): boolean {
    if (this.count === 0 || nowMs < this.nextLookMs) return false;
    this.nextLookMs = nowMs + this.timeoutMs / LOOKS;
    return true;
  }

  /** Until the next look; Infinity while no handshake is under way. */
  waitMs(nowMs: number): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : Math.max(0, this.nextLookMs - nowMs);
  }
}
