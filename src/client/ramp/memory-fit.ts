// Estimates the error of the kernel memory per connection. Memory is measured for the whole host, including other
// processes.

/** Minimum number of measurements during the ramp for a meaningful fit. */
const LEAST_POINTS = 4;

/**
 * Uses two indicators: how far the measurements during the ramp deviate from a straight line over the number of
 * connections, and how much memory drifts during the hold, when the run itself does not change. Keeps running sums
 * only.
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

  /** Adds a measurement from the ramp. */
  grown(connections: number, kernelBytes: number): void {
    // This is Welford's algorithm, because sums of squares of large byte counts lose precision.
    this.#points++;
    const dx = connections - this.#meanX;
    const dy = kernelBytes - this.#meanY;
    this.#meanX += dx / this.#points;
    this.#meanY += dy / this.#points;
    this.#sxx += dx * (connections - this.#meanX);
    this.#sxy += dx * (kernelBytes - this.#meanY);
    this.#syy += dy * (kernelBytes - this.#meanY);
  }

  /** Adds a measurement from the hold. */
  held(nowMs: number, kernelBytes: number): void {
    if (this.#heldFromMs === 0) this.#heldFromMs = nowMs;
    this.#heldToMs = nowMs;
    this.#heldLeast = Math.min(this.#heldLeast, kernelBytes);
    this.#heldMost = Math.max(this.#heldMost, kernelBytes);
  }

  /**
   * Returns the error of the memory per connection in bytes, as two standard errors.
   *
   * @returns undefined if there are too few measurements
   */
  errorPerConnection(connections: number, rampMs: number): number | undefined {
    if (this.#points < LEAST_POINTS || this.#sxx <= 0 || connections <= 0) return undefined;
    const residual = Math.max(0, this.#syy - this.#sxy ** 2 / this.#sxx);
    const ofFit = 2 * Math.sqrt(residual / (this.#points - 2) / this.#sxx);
    return Math.hypot(ofFit, this.#driftOver(rampMs) / connections);
  }

  /** Extrapolates the drift of the hold to the ramp: a random walk grows with the square root of time. */
  #driftOver(rampMs: number): number {
    const heldMs = this.#heldToMs - this.#heldFromMs;
    if (heldMs <= 0) return 0;
    return (this.#heldMost - this.#heldLeast) * Math.sqrt(Math.max(1, rampMs / heldMs));
  }
}

/**
 * Returns whether the error is below half of the value. Otherwise, other processes changed the host's memory use too
 * much.
 */
export function isMeasurable(bytes: number, error: number | undefined): boolean {
  return bytes > 0 && (error === undefined || error < bytes / 2);
}
