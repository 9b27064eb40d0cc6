// What an agent starts for a run: a load of its own, or a server, prepared before and started by the coordinator.
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { RunMeasurements } from "../../engine/run/measurements.js";
import type { ConnectResult } from "../../results/connect.js";
import type { ServeResult } from "../../results/serve.js";
import type { ServeSnapshot } from "../../server/snapshot.js";
import type { Prepared } from "../messages.js";

/** A load in progress. */
export interface Load {
  /** Resolves when the ramp has ended, or the server accepts connections. */
  readonly ready: Promise<void>;
  readonly done: Promise<ConnectResult | ServeResult>;
  snapshot(): ConnectSnapshot | ServeSnapshot;
  /** Returns the latencies and failures so far. */
  measure(): Pick<RunMeasurements, "histograms" | "failures">;
  stop(): unknown;
}

/** A load whose threads are up, and which can open connections at once, or accepts some already. */
export interface PreparedLoad extends Prepared {
  begin(): Load;
  /** Gives the load up. Resolves when its threads have ended. */
  discard(): Promise<void>;
}
