// The handle of a run, common to both roles.

export interface RunHandle<Result, Snapshot> extends AsyncIterable<Snapshot> {
  /**
   * Resolves after a client's ramp, or once a server is ready to accept connections; rejects with an AppError if the
   * run fails first.
   */
  readonly ready: Promise<void>;
  /** Resolves when everything is closed; rejects with an AppError if the run fails. */
  readonly done: Promise<Result>;
  /** Closes all connections and resolves with the result. May be called repeatedly. */
  stop(): Promise<Result>;
  /** Ends the run at once; the kernel closes the connections when the process exits. */
  abort(): void;
  /** Returns the current values of fourtuple's own counters. */
  snapshot(): Snapshot;
  /**
   * Yields snapshots at regular intervals until the run ends. Iterating over the run itself yields one snapshot per
   * second.
   */
  snapshots(intervalMs?: number): AsyncGenerator<Snapshot>;
}
