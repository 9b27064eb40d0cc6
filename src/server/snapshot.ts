// A moment of a server's life.
import type { ServerMetrics } from "./metrics.js";

/** A moment of a server's life: our own counters, and its state. */
export interface ServeSnapshot extends ServerMetrics {
  readonly elapsedMs: number;
  readonly peakOpen: number;
  readonly threads: number;
  /** Accepting is paused: memory is at its floor. */
  readonly isPaused: boolean;
}
