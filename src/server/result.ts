// What a server's life came to: one plain object, the same for the terminal, --json and the library's caller.
import type { RunEvidence } from "../engine/run/evidence.js";
import type { Phase } from "../engine/worker-memory.js";
import type { SourceName } from "../socket-table/query.js";
import type { ServerMetrics } from "./metrics.js";

export interface ServeFailure {
  readonly phase: Phase;
  readonly errno: string;
  readonly count: number;
}

/** A moment of a server's life: our own counters, and its state. */
export interface ServeSnapshot extends ServerMetrics {
  readonly elapsedMs: number;
  readonly peakOpen: number;
  readonly threads: number;
  /** Accepting is paused: memory is at its floor. */
  readonly isPaused: boolean;
}

export interface ServeResult {
  readonly kind: "serve";
  readonly version: 1;
  readonly startedAt: string;
  readonly address: { readonly ip: string; readonly port: number };
  readonly elapsedMs: number;
  readonly accepted: number;
  readonly peakOpen: number;
  /** Open when it was told to stop. */
  readonly openAtStop: number;
  /**
   * The kernel's own count at that moment: ESTABLISHED sockets on this address and port, those that still waited in the
   * accept queue included. undefined where its table could not be read, or not in time.
   */
  readonly kernel: { readonly source: SourceName; readonly sockets: number } | undefined;
  readonly rejected: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
  readonly failures: readonly ServeFailure[];
  /** How often a full descriptor table made a thread leave the accepting to others. */
  readonly tableFull: number;
  readonly backlog: {
    readonly length: number;
    /** What this listening socket dropped, most often because its accept queue was full; undefined where netlink is refused. */
    readonly drops?: number | undefined;
    /** The kernel's counters over the server's life, of all listening sockets of the host. */
    readonly listenOverflows: number;
    readonly listenDrops: number;
  };
  readonly memory: { readonly residentBytes: number; readonly userBytesPerConnection: number };
  readonly threads: number;
  readonly hasPrivateTables: boolean;
  readonly nofileLimit: number;
  /** What the kernel says about its life: explainRun() reads it. */
  readonly evidence: RunEvidence;
}
