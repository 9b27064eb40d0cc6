// Decides when to abandon a ramp: every attempt fails from the start, or no answer arrives for a whole connect timeout.
// Trying the rest of a million connections would take minutes without changing the outcome.
import type { GiveUpReason } from "../../results/connect.js";

/** Number of failures without a success that rules out coincidence. */
const FAILURES_ENOUGH = 2000;
/**
 * Required number of consecutive timeouts, in addition to the elapsed time. This keeps a few lost packets, or one dead
 * destination among several, from ending the ramp.
 */
const TIMEOUTS_ENOUGH = { least: 8, most: 64 };
/**
 * Maximum time without an answer that is counted between two checks. If this process was suspended for longer, it could
 * not have seen an answer.
 */
const MAX_STEP_MS = 500;

/** Progress of a ramp so far. */
export interface RampCounts {
  /** Connections whose protocol handshake is complete; in plain TCP, ESTABLISHED connections. */
  readonly ready: number;
  readonly failed: number;
  /** Failed connections whose handshake timed out. */
  readonly timedOut: number;
}

export class GiveUp {
  readonly #connectTimeoutMs: number;
  readonly #timeoutsEnough: number;
  #checkedMs: number | undefined;
  #silentMs = 0;
  #answered = 0;
  #timedOutBefore = 0;

  constructor(settings: { readonly connectTimeoutMs: number; readonly concurrency: number }) {
    this.#connectTimeoutMs = settings.connectTimeoutMs;
    this.#timeoutsEnough = Math.min(TIMEOUTS_ENOUGH.most, Math.max(TIMEOUTS_ENOUGH.least, settings.concurrency));
  }

  /**
   * This is called regularly during the ramp.
   * @returns the reason to end the ramp, or undefined to continue
   */
  check(nowMs: number, { ready, failed, timedOut }: RampCounts): GiveUpReason | undefined {
    const answered = ready + failed - timedOut;
    this.#silentMs += Math.min(nowMs - (this.#checkedMs ?? nowMs), MAX_STEP_MS);
    this.#checkedMs = nowMs;
    if (answered > this.#answered) {
      this.#answered = answered;
      this.#silentMs = 0;
      this.#timedOutBefore = timedOut;
    }
    // Attempts started before the last answer expire within one timeout of it; later attempts expire within two.
    const graceMs = answered === 0 ? this.#connectTimeoutMs : 2 * this.#connectTimeoutMs;
    const isSilent = timedOut - this.#timedOutBefore >= this.#timeoutsEnough && this.#silentMs >= graceMs;
    if (isSilent) return "unanswered";
    return ready === 0 && failed >= FAILURES_ENOUGH ? "all-failed" : undefined;
  }
}
