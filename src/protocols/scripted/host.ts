// Describes what a script needs from its worker besides connections: memory that the main thread reads, and the
// run's inputs.
import type { Histogram } from "../../results/histogram/histogram.js";
import type { Board } from "./board.js";
import type { Rows } from "./file/rows.js";

export interface ScriptHost {
  /** Counters: two for each phase (entered, unused), then the declared counters; see metrics.ts. */
  readonly counters: Float64Array;
  readonly histograms: readonly Histogram[];
  /** Words that tell the main thread which handler is running (CALL). */
  readonly calls: Int32Array;
  /** The board with texts for the main thread, shared by all workers. */
  readonly board: Board;
  /** Rows of the data file; undefined without a data file. */
  readonly rows: Rows | undefined;
  /** Returns the number of the next connection, starting at 1 and unique within a run. */
  readonly nextNumber: () => number;
}

/** Words of `calls`. */
export const CALL = {
  /** Number of the running handler, an index into HANDLERS plus 1; 0 if none is running. */
  handler: 0,
  /** Number of calls so far, which wraps around. */
  count: 1,
  words: 2,
} as const;

/** Handlers by number. */
export const HANDLERS = ["opened", "received", "due", "tick", "closing", "framing.end"] as const;
export const HANDLER = { opened: 1, received: 2, due: 3, tick: 4, closing: 5, framing: 6 } as const;
