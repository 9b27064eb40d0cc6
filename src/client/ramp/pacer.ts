// Drives a ramp: sets the target of each worker, starts workers when it is their turn, and detects when everything
// requested has settled.

import type { WorkerPool } from "../../engine/pool.js";
import { CONTROL, sumCounter } from "../../engine/worker-memory.js";
import { COUNTER } from "../metrics.js";
import type { ConnectSettings } from "../settings.js";
import { STANDSTILL_MS } from "../standstills.js";
import type { ConnectMessage, ConnectPlan } from "../worker-plan.js";
import { shareOf, type ThreadLayout, targetOf } from "./thread-layout.js";

export class Pacer {
  /** How far the schedule was shifted because this process was not running. */
  movedMs = 0;
  readonly #pool: WorkerPool<ConnectPlan, ConnectMessage>;
  readonly #settings: ConnectSettings;
  readonly #layout: ThreadLayout;
  readonly #start: (worker: number, target: number) => void;
  readonly #resolvedWorkers = new Set<number>();
  #pacedMs = 0;
  #calledMs: number | undefined;
  #readyWorkers = 0;
  #isHeld: boolean;
  /** Time when enough threads had started to open in parallel, and the ramp was no longer held back. */
  #readyMs: number | undefined;

  /**
   * @param start starts worker number `worker` with an initial target of `target` connections
   * @param isHeld whether the threads start, but open nothing until release()
   */
  constructor(
    pool: WorkerPool<ConnectPlan, ConnectMessage>,
    settings: ConnectSettings,
    layout: ThreadLayout,
    start: (worker: number, target: number) => void,
    isHeld: boolean,
  ) {
    this.#isHeld = isHeld;
    this.#pool = pool;
    this.#settings = settings;
    this.#layout = layout;
    this.#start = start;
  }

  /** Counts a worker that has started. */
  ready(): void {
    this.#readyWorkers++;
    this.#beginIfReady();
  }

  /** Whether enough threads have started to open in parallel. */
  get areWorkersReady(): boolean {
    return this.#readyWorkers >= this.#layout.active;
  }

  /** Lets a ramp that was held back begin. */
  release(): void {
    this.#isHeld = false;
    this.#beginIfReady();
  }

  #beginIfReady(): void {
    if (!this.#isHeld && this.areWorkersReady) this.#readyMs ??= performance.now();
  }

  /** Called when a worker has tried everything requested from it so far. */
  resolved(worker: number): void {
    const { counters } = this.#pool.memories[worker]!;
    if (counters[COUNTER.started]! >= shareOf(this.#layout, worker)) this.#resolvedWorkers.add(worker);
  }

  /** Returns the number of connections wanted at a time given by performance.now(). */
  wantedAt(nowMs: number): number {
    return this.#readyMs === undefined ? 0 : this.#settings.schedule.wantedAt(nowMs - this.#readyMs);
  }

  /**
   * Distributes the number of connections wanted now among the workers.
   * @returns whether the ramp has ended
   */
  pace(): boolean {
    const { schedule, isPaced } = this.#settings;
    if (isPaced) this.#skipStandstill();
    // The clock starts when the threads are ready. The threads' start-up must not cause a burst, and no thread starts
    // without the others.
    const nowMs = this.#readyMs === undefined ? 0 : performance.now() - this.#readyMs;
    // Do not skip the end of a stage: its peak must be requested before the next stage starts.
    const elapsedMs = schedule.turnsMs.find((turnMs) => turnMs > this.#pacedMs && turnMs < nowMs) ?? nowMs;
    this.#pacedMs = elapsedMs;
    const wanted = this.#readyMs === undefined ? 0 : schedule.wantedAt(elapsedMs);
    for (let worker = 0; worker < this.#layout.workers; worker++) {
      // Without a pace, workers take turns: one starts when an earlier one has settled.
      const hasTurn = isPaced || worker < this.#resolvedWorkers.size + this.#layout.active;
      const target = hasTurn ? targetOf(this.#layout, worker, wanted) : 0;
      if (worker < this.#pool.size) this.#pool.set(worker, CONTROL.target, target);
      // Start the next thread before its turn, because starting takes tens of milliseconds.
      else if (target > 0 || worker < this.#resolvedWorkers.size + this.#layout.active + 1) this.#start(worker, target);
    }
    return this.#readyMs !== undefined && elapsedMs >= schedule.endMs && this.#hasResolved(wanted);
  }

  /**
   * Called every few milliseconds. A gap much longer than the interval means that the process was suspended (SIGSTOP,
   * or a paused or overloaded machine). The schedule is then shifted, and catches up with shorter ones.
   */
  #skipStandstill(): void {
    const nowMs = performance.now();
    const pauseMs = nowMs - (this.#calledMs ?? nowMs);
    this.#calledMs = nowMs;
    if (this.#readyMs === undefined || pauseMs < STANDSTILL_MS) return;
    const lostMs = Math.min(pauseMs, nowMs - this.#readyMs);
    this.#readyMs += lostMs;
    this.movedMs += lostMs;
  }

  #hasResolved(wanted: number): boolean {
    const sum = (counter: number) => sumCounter(this.#pool.memories, counter);
    const begun = sum(COUNTER.started) - sum(COUNTER.retired);
    // Failed connections cannot be closed, so a descending schedule has ended once no more are open than wanted.
    const isReached = begun === wanted || (begun > wanted && sum(COUNTER.open) <= wanted);
    return isReached && sum(COUNTER.inFlight) === 0;
  }
}
