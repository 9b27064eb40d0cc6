// Snapshot of a client run.
import type { ClientMetrics } from "./metrics.js";

/** The counters and stage of a run at one moment. */
export interface ConnectSnapshot extends ClientMetrics {
  readonly elapsedMs: number;
  /** During `drain`, no more messages are sent while the run waits for outstanding answers. */
  readonly stage: "ramp" | "hold" | "drain" | "close" | "closed";
  readonly requested: number;
  readonly wanted: number;
  /** Number of messages after which the run ends; undefined without a limit. */
  readonly requestedMessages: number | undefined;
  /** Time until the end of the hold; undefined if unknown. */
  readonly leftMs: number | undefined;
}

/** Stages of a run, in order. */
export const STAGES: readonly ConnectSnapshot["stage"][] = ["ramp", "hold", "drain", "close", "closed"];
