// A queue of TLS handshakes waiting for their turn. A handshake costs as much as hundreds of messages, so each turn
// has limited time for them.
import { SlotQueue } from "../slot-queue.js";

/** Time for handshakes per turn. Other handshakes wait for later turns, so that open connections are not starved. */
const SHARE_MS = 5;

export class HandshakeQueue {
  private readonly waiting = new SlotQueue();
  /** Time when this turn's share for handshakes ends. */
  private untilMs = 0;

  /** Called when a turn begins. */
  begin(nowMs: number): void {
    this.untilMs = nowMs + SHARE_MS;
  }

  get length(): number {
    return this.waiting.length;
  }

  /** Returns whether this turn has time for another handshake. Queued handshakes go first. */
  get mayBegin(): boolean {
    return this.waiting.length === 0 && performance.now() < this.untilMs;
  }

  /** Whether a queued handshake can continue in this turn. */
  get hasNext(): boolean {
    return this.waiting.length > 0 && performance.now() < this.untilMs;
  }

  push(slot: number): void {
    this.waiting.push(slot);
  }

  shift(): number {
    return this.waiting.shift();
  }
}
