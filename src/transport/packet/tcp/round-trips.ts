// Computes the retransmission timeout from measured round trips (RFC 6298), with Linux's constants. All connections
// of a worker share one estimate: they lead to the same server, and most are too short-lived for separate ones.

const INITIAL_MS = 1000;
const MIN_MS = 200;
const MAX_MS = 120_000;

export class RoundTrips {
  private smoothedMs = 0;
  private deviationMs = 0;
  private hasSample = false;

  measured(ms: number): void {
    if (this.hasSample) {
      this.deviationMs += (Math.abs(ms - this.smoothedMs) - this.deviationMs) / 4;
      this.smoothedMs += (ms - this.smoothedMs) / 8;
    } else {
      this.smoothedMs = ms;
      this.deviationMs = ms / 2;
      this.hasSample = true;
    }
  }

  /** Returns the timeout after `retries` retransmissions. */
  timeoutMs(retries: number): number {
    const base = this.hasSample ? this.smoothedMs + Math.max(MIN_MS, 4 * this.deviationMs) : INITIAL_MS;
    return Math.min(MAX_MS, base * 2 ** Math.min(retries, 16));
  }

  /** Returns the timeout for a SYN, which is never below a second. */
  handshakeTimeoutMs(retries: number): number {
    return Math.max(this.timeoutMs(retries), INITIAL_MS * 2 ** Math.min(retries, 6));
  }
}
