// Snapshot of a server.
import type { ServerMetrics } from "./metrics.js";

/** The counters and state of a server at one moment. */
export interface ServeSnapshot extends ServerMetrics {
  readonly elapsedMs: number;
  readonly peakOpen: number;
  readonly threads: number;
  /**
   * True while accepting is paused because memory, open files or epoll watches are running low.
   */
  readonly isPaused: boolean;
}
