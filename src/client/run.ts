// The handle that connect() returns. The run itself is in phases.ts; the workers handle the connections.

import { EventEmitter } from "node:events";
import { readMetrics } from "../engine/metrics.js";
import type { RunHandle } from "../engine/run/handle.js";
import { type RunMeasurements, readMeasurements } from "../engine/run/measurements.js";
import { sample } from "../engine/run/sampling.js";
import type { RunSpec } from "../planning/run-spec.js";
import type { Targets } from "../planning/targets.js";
import { TupleSequence } from "../planning/tuple-plan.js";
import type { ConnectResult, DestinationReport, ResolvedName } from "../results/connect.js";
import { countDestinations } from "./evidence/by-destination.js";
import type { TupleUse } from "./evidence/tuple-use.js";
import { CLIENT_METRICS } from "./metrics.js";
import { RunPhases } from "./phases.js";
import { summarizeLatencies } from "./result/latencies.js";
import { type ConnectSettings, settingsOf } from "./settings.js";
import type { ConnectSnapshot } from "./snapshot.js";
import type { Carriers } from "./workers.js";

export interface ConnectEvents {
  /** A connection is ESTABLISHED. Emitted for a single connection only. */
  opened: [local: { readonly ip: string; readonly port: number }];
  /** Text was received. Emitted for a single connection only. */
  received: [text: string];
  /**
   * Emitted when a handler of a user-defined protocol throws for the first time.
   * @param text the error with its stack
   */
  handlerFailed: [text: string];
}

/** A running client. */
export class ConnectRun extends EventEmitter<ConnectEvents> implements RunHandle<ConnectResult, ConnectSnapshot> {
  /** Resolves when the ramp ends for any reason; rejects with an AppError if the run cannot continue. */
  readonly ready: Promise<void>;
  /** Resolves when all connections are closed; rejects with an AppError if the run cannot continue. */
  readonly done: Promise<ConnectResult>;
  /** Specification of this run as plain data, with all defaults filled in. */
  readonly spec: RunSpec;
  /** Host names among the destinations, with the addresses that they resolved to. */
  readonly names: readonly ResolvedName[];
  /** Number of available 4-tuples, which limits how many connections can be open at once. */
  readonly tuplesAvailable: number;
  readonly #settings: ConnectSettings;
  readonly #targets: Targets;
  readonly #phases: RunPhases;

  /** @param isHeld whether the run only starts its threads, and opens nothing until ConnectRun.release() */
  constructor(
    spec: RunSpec,
    targets: Targets,
    carriers: Carriers,
    complete: (result: ConnectResult) => ConnectResult = (result) => result,
    isHeld = false,
  ) {
    super();
    const settings = settingsOf(spec);
    this.spec = spec;
    this.#settings = settings;
    this.#targets = targets;
    this.names = targets.names;
    this.tuplesAvailable = new TupleSequence(targets.plan).count;
    const events = {
      opened: (local: ConnectEvents["opened"][0]) => this.emit("opened", local),
      received: (text: string) => this.emit("received", text),
      handlerFailed: (text: string) => this.emit("handlerFailed", text),
    };
    this.#phases = new RunPhases(settings, targets, carriers, events, isHeld);
    let isReady!: () => void;
    const rampOver = new Promise<void>((resolve) => {
      isReady = resolve;
    });
    this.done = this.#phases.run(isReady).then(complete);
    this.ready = Promise.race([rampOver, this.done.then(() => undefined)]);
    // Callers that ignore `ready` must not get an unhandled rejection.
    this.ready.catch(() => undefined);
  }

  /**
   * Closes all connections and resolves with the result. Repeated calls have no further effect. During the ramp, or a
   * hold with a time limit, this interrupts the run; a hold without a limit ends normally.
   */
  stop(): Promise<ConnectResult> {
    this.#phases.stop();
    return this.done;
  }

  /** Ends the run at once; the kernel closes the connections when the process exits. */
  abort(): void {
    this.#phases.abort();
  }

  snapshot(): ConnectSnapshot {
    const now = performance.now();
    const { phase, holdUntilMs, startMs, workers } = this.#phases;
    const metrics = readMetrics(CLIENT_METRICS, workers.memories);
    return {
      ...metrics,
      open: phase === "closed" ? 0 : metrics.open,
      elapsedMs: now - startMs,
      stage: phase,
      requested: this.#settings.connections,
      wanted: workers.pacer.wantedAt(now),
      requestedMessages: this.#settings.message?.total,
      leftMs: holdUntilMs === undefined ? undefined : Math.max(0, holdUntilMs - now),
    };
  }

  /**
   * Returns what a run has counted so far beyond its snapshot. The method is static, so that it is not part of the
   * library's handle.
   */
  static measure(run: ConnectRun): RunMeasurements {
    const { memories, script } = run.#phases.workers;
    return readMeasurements(CLIENT_METRICS, memories, script);
  }

  /**
   * Waits until the threads of a held run are up. Static, like the following, so that it is not part of the library's
   * handle.
   */
  static threadsUp(run: ConnectRun): Promise<void> {
    return run.#phases.threadsUp;
  }

  /** Lets a held run open its connections. */
  static release(run: ConnectRun): void {
    run.#phases.release();
  }

  /** Returns the use of the 4-tuples so far, by plan. */
  static tupleUse(run: ConnectRun): TupleUse[] {
    return run.#phases.workers.tupleUse();
  }

  /** Counts so far for each destination; undefined for a single destination or for too many destinations. */
  byDestination(): readonly DestinationReport[] | undefined {
    return countDestinations({ destinationCounts: this.#phases.workers.destinationCounts, targets: this.#targets });
  }

  /** Latencies so far. */
  latency(): ConnectResult["latency"] {
    return summarizeLatencies(this.#phases.latencies.read());
  }

  /** Resets the latencies, for example after a warm-up. The result covers only what is measured from now on. */
  resetLatency(): void {
    this.#phases.latencies.reset();
  }

  /** Yields snapshots at regular intervals until the run ends. */
  snapshots(intervalMs = 1000): AsyncGenerator<ConnectSnapshot> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<ConnectSnapshot> {
    return this.snapshots();
  }
}
