// What a run of either role offers to whoever has started it.

export interface RunHandle<Result, Snapshot> extends AsyncIterable<Snapshot> {
  /** Resolves when it does what it was started for; rejects with an AppError when it could not go on. */
  readonly ready: Promise<void>;
  /** Resolves when everything is closed; rejects with an AppError when it could not go on. */
  readonly done: Promise<Result>;
  /** Closes every connection and resolves with the result. Asked once or often, it is the same. */
  stop(): Promise<Result>;
  /** Ends at once: the closing is left to the kernel, when the process ends. */
  abort(): void;
  /** Our own counters now. */
  snapshot(): Snapshot;
  /** Snapshots at even intervals until it ends; `for await` over the run itself has one a second. */
  snapshots(intervalMs?: number): AsyncGenerator<Snapshot>;
}
