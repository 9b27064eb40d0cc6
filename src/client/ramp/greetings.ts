// Decides whether connections stay in flight until the peer's greeting. Waiting keeps the client from overrunning the
// accept queue of a server that greets right after accept(). A late greeting, or occasional data, says nothing about
// that queue and must not delay a ramp.
import { SHARED } from "../worker-plan.js";

/** A greeting within this time plus two round trips after the handshake is attributed to accept(). */
const PROMPT_MS = 50;
/** Maximum time to wait for one greeting, so that a delayed connection does not hold up the others. */
const GRACE_MS = 1000;
/**
 * After this many timeouts, the client stops waiting for greetings. A single timeout may be caused by a suspended host.
 */
const GRACE_LOST = 2;
/** Greetings sent right after accept() follow one another closely. A longer gap counts as silence. */
const SILENT_AFTER_MS = 50;
/**
 * After silence of this length that makes up at least half of the waiting time, the peer is assumed to greet late or to
 * send only occasional data.
 */
const SILENCE_MS = 400;
/** This is longer than two checks of a worker. Time beyond this is attributed to a suspended thread. */
const MAX_STEP_MS = 150;

export class Greetings {
  private readonly shared: Int32Array;
  private readonly areRequested: boolean;
  private readonly isOnePeer: boolean;
  /**
   * Duration of the fastest handshake, used if there is only one destination. Slower handshakes were delayed because a
   * thread was not running.
   */
  private fastestMs = Number.POSITIVE_INFINITY;
  private lastMs = 0;
  private waitedMs = 0;
  private silentMs = 0;

  /**
   * @param shared words of all workers; see SHARED
   * @param areRequested whether the caller wants greetings however late they are, so that connections always wait for
   *   them
   * @param isOnePeer whether all connections go to one destination
   */
  constructor(shared: Int32Array, areRequested: boolean, isOnePeer: boolean) {
    this.shared = shared;
    this.areRequested = areRequested;
    this.isOnePeer = isOnePeer;
  }

  /** Whether a new connection stays in flight until its greeting. */
  get areAwaited(): boolean {
    return this.shared[SHARED.peerGreets] === 1;
  }

  /** Records the handshake time of an ESTABLISHED connection. */
  opened(handshakeMs: number): void {
    if (handshakeMs < this.fastestMs) this.fastestMs = handshakeMs;
  }

  /** Records the arrival of an awaited first byte. */
  came(nowMs: number): void {
    this.lastMs = nowMs;
  }

  /**
   * Handles a first byte that was not awaited.
   * @param waitedMs time since ESTABLISHED
   */
  cameUnawaited(waitedMs: number, handshakeMs: number): void {
    const roundTripMs = this.isOnePeer ? Math.min(this.fastestMs, handshakeMs) : handshakeMs;
    if (waitedMs > PROMPT_MS + 2 * roundTripMs) return;
    if (Atomics.load(this.shared, SHARED.lateGreetings) < GRACE_LOST) this.shared[SHARED.peerGreets] = 1;
  }

  /** Adds time during which the ramp waited for nothing but greetings. */
  held(nowMs: number, passedMs: number): void {
    const counted = Math.min(passedMs, MAX_STEP_MS);
    this.waitedMs += counted;
    if (nowMs - this.lastMs > SILENT_AFTER_MS) this.silentMs += counted;
    if (this.areRequested || this.silentMs < SILENCE_MS || this.silentMs * 2 < this.waitedMs) return;
    Atomics.store(this.shared, SHARED.lateGreetings, GRACE_LOST);
    this.shared[SHARED.peerGreets] = 0;
  }

  /** Returns whether to stop waiting for a greeting, given the time since ESTABLISHED. */
  gaveUp(waitedMs: number): boolean {
    if (!this.areRequested && !this.areAwaited) return true;
    if (waitedMs < GRACE_MS) return false;
    if (this.areRequested) return true;
    // Several connections and workers may notice at the same time; count this once.
    if (Atomics.compareExchange(this.shared, SHARED.peerGreets, 1, 0) === 1) {
      Atomics.add(this.shared, SHARED.lateGreetings, 1);
    }
    return true;
  }
}
