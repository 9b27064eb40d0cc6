// How sure the kernel memory of a connection is: it is the whole host's memory that is read, and others' is in it.

/** Readings in the ramp below which a line tells nothing. */
const LEAST_POINTS = 4;

/**
 * Two things tell it: how far the readings of the ramp lie from a straight line over the connections, and how far the
 * memory moves while they are held and nothing of the run's changes. Sums alone are kept.
 */
export class MemoryFit {
  #points = 0;
  #meanX = 0;
  #meanY = 0;
  #sxx = 0;
  #sxy = 0;
  #syy = 0;
  #heldLeast = Number.POSITIVE_INFINITY;
  #heldMost = Number.NEGATIVE_INFINITY;
  #heldFromMs = 0;
  #heldToMs = 0;

  /** A reading in the ramp. */
  grown(connections: number, kernelBytes: number): void {
    // Welford's: sums of squares of millions of bytes would lose what matters.
    this.#points++;
    const dx = connections - this.#meanX;
    const dy = kernelBytes - this.#meanY;
    this.#meanX += dx / this.#points;
    this.#meanY += dy / this.#points;
    this.#sxx += dx * (connections - this.#meanX);
    this.#sxy += dx * (kernelBytes - this.#meanY);
    this.#syy += dy * (kernelBytes - this.#meanY);
  }

  /** A reading in the hold. */
  held(nowMs: number, kernelBytes: number): void {
    if (this.#heldFromMs === 0) this.#heldFromMs = nowMs;
    this.#heldToMs = nowMs;
    this.#heldLeast = Math.min(this.#heldLeast, kernelBytes);
    this.#heldMost = Math.max(this.#heldMost, kernelBytes);
  }

  /**
   * Bytes by which the memory of one connection may be off, twice the standard error.
   *
   * @returns undefined where too little was read to tell
   */
  errorPerConnection(connections: number, rampMs: number): number | undefined {
    if (this.#points < LEAST_POINTS || this.#sxx <= 0 || connections <= 0) return undefined;
    const residual = Math.max(0, this.#syy - this.#sxy ** 2 / this.#sxx);
    const ofFit = 2 * Math.sqrt(residual / (this.#points - 2) / this.#sxx);
    return Math.hypot(ofFit, this.#driftOver(rampMs) / connections);
  }

  /** What moves at random goes further in a longer time, by the root of it. */
  #driftOver(rampMs: number): number {
    const heldMs = this.#heldToMs - this.#heldFromMs;
    if (heldMs <= 0) return 0;
    return (this.#heldMost - this.#heldLeast) * Math.sqrt(Math.max(1, rampMs / heldMs));
  }
}

/** A price that is not known to a half is none: others' memory moved too much. */
export function isMeasurable(bytes: number, error: number | undefined): boolean {
  return bytes > 0 && (error === undefined || error < bytes / 2);
}
