// When a ramp is given up: everything fails from the start, or nobody has answered for a whole connect time-out. Trying the rest of a
// million would take minutes, and say the same.
import type { GiveUpReason } from "../../results/connect.js";

/** Failures without one success: it is no accident any more. */
const FAILURES_ENOUGH = 2000;
/** Time-outs in a row that are enough beside the time: a few lost packets end no ramp, nor one of several destinations. */
const TIMEOUTS_ENOUGH = { least: 8, most: 64 };
/** Counts as silence between two checks at most: where this process stood still for longer, it could not hear an answer. */
const MAX_STEP_MS = 500;

/** What a ramp has come to, so far. */
export interface RampCounts {
  /** Connections set up in the protocol; in plain TCP those ESTABLISHED. */
  readonly ready: number;
  readonly failed: number;
  /** Of these, by a handshake that nobody answered. */
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

  /** Called now and then during the ramp. @returns why it should end; undefined while it should go on */
  check(nowMs: number, { ready, failed, timedOut }: RampCounts): GiveUpReason | undefined {
    const answered = ready + failed - timedOut;
    this.#silentMs += Math.min(nowMs - (this.#checkedMs ?? nowMs), MAX_STEP_MS);
    this.#checkedMs = nowMs;
    if (answered > this.#answered) {
      this.#answered = answered;
      this.#silentMs = 0;
      this.#timedOutBefore = timedOut;
    }
    // What was begun before the last answer times out within one time-out of it; what was begun after, within two.
    const graceMs = answered === 0 ? this.#connectTimeoutMs : 2 * this.#connectTimeoutMs;
    const isSilent = timedOut - this.#timedOutBefore >= this.#timeoutsEnough && this.#silentMs >= graceMs;
    if (isSilent) return "unanswered";
    return ready === 0 && failed >= FAILURES_ENOUGH ? "all-failed" : undefined;
  }
}
