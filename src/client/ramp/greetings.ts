// Whether connections stay in flight until the peer's greeting. Where a server greets as soon as it accepts, that keeps us from overrunning
// its accept queue. A greeting that comes late, or news now and then, tells nothing of that queue, and must not hold up a ramp.
import { SHARED } from "../worker-plan.js";

/** A greeting this soon after the handshake, and two round trips, goes with accept(). */
const PROMPT_MS = 50;
/** How long a connection is waited for at most: others must not pay for one that a server lets wait. */
const GRACE_MS = 1000;
/** A server that kept us waiting so many times is not waited for again. A host that stood still once is no such server. */
const GRACE_LOST = 2;
/** Greetings that go with accept() come one after the other. Without one for so long, the peer is silent. */
const SILENT_AFTER_MS = 50;
/** Silence for so long, and for half of the time that we waited, is the peer's way: it has news now and then, or greets late. */
const SILENCE_MS = 400;
/** More than two checks of the worker are apart: what passed beyond that, the whole thread stood still. */
const MAX_STEP_MS = 150;

export class Greetings {
  private readonly shared: Int32Array;
  private readonly areRequested: boolean;
  private readonly isOnePeer: boolean;
  /** The fastest handshake with the one peer: others took longer because a thread did not run. */
  private fastestMs = Number.POSITIVE_INFINITY;
  private lastMs = 0;
  private waitedMs = 0;
  private silentMs = 0;

  /**
   * @param shared words of all workers, see SHARED
   * @param areRequested the caller waits for greetings, however late: the window is the caller's
   * @param isOnePeer all connections go to one destination
   */
  constructor(shared: Int32Array, areRequested: boolean, isOnePeer: boolean) {
    this.shared = shared;
    this.areRequested = areRequested;
    this.isOnePeer = isOnePeer;
  }

  /** Whether a new connection is in flight until its greeting. */
  get areAwaited(): boolean {
    return this.shared[SHARED.peerGreets] === 1;
  }

  /** A connection is ESTABLISHED. */
  opened(handshakeMs: number): void {
    if (handshakeMs < this.fastestMs) this.fastestMs = handshakeMs;
  }

  /** A first byte on a connection that was waited for. */
  came(nowMs: number): void {
    this.lastMs = nowMs;
  }

  /** A first byte on a connection that was not waited for. @param waitedMs since ESTABLISHED */
  cameUnawaited(waitedMs: number, handshakeMs: number): void {
    const roundTripMs = this.isOnePeer ? Math.min(this.fastestMs, handshakeMs) : handshakeMs;
    if (waitedMs > PROMPT_MS + 2 * roundTripMs) return;
    if (Atomics.load(this.shared, SHARED.lateGreetings) < GRACE_LOST) this.shared[SHARED.peerGreets] = 1;
  }

  /** The ramp has waited for nothing but greetings for so long. */
  held(nowMs: number, passedMs: number): void {
    const counted = Math.min(passedMs, MAX_STEP_MS);
    this.waitedMs += counted;
    if (nowMs - this.lastMs > SILENT_AFTER_MS) this.silentMs += counted;
    if (this.areRequested || this.silentMs < SILENCE_MS || this.silentMs * 2 < this.waitedMs) return;
    Atomics.store(this.shared, SHARED.lateGreetings, GRACE_LOST);
    this.shared[SHARED.peerGreets] = 0;
  }

  /** Whether one that has waited so long since ESTABLISHED is in flight no longer. */
  gaveUp(waitedMs: number): boolean {
    if (!this.areRequested && !this.areAwaited) return true;
    if (waitedMs < GRACE_MS) return false;
    if (this.areRequested) return true;
    // Several connections, and several workers, notice at once: that is one time.
    if (Atomics.compareExchange(this.shared, SHARED.peerGreets, 1, 0) === 1) {
      Atomics.add(this.shared, SHARED.lateGreetings, 1);
    }
    return true;
  }
}
