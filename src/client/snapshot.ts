// A moment of a client's run.
import type { ClientMetrics } from "./metrics.js";

/** A moment of a run: our own counters, and where it is. */
export interface ConnectSnapshot extends ClientMetrics {
  readonly elapsedMs: number;
  /** `drain`: no more messages are sent, and the answers on their way are waited for. */
  readonly stage: "ramp" | "hold" | "drain" | "close" | "closed";
  readonly requested: number;
  readonly wanted: number;
  /** Until the end of the hold, when that is known. */
  readonly leftMs: number | undefined;
}
