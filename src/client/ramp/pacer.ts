// Drives a ramp: tells the workers how many connections they are to have by now, starts those whose turn comes, and says when
// everything that was asked for has settled.

import type { WorkerPool } from "../../engine/pool.js";
import { CONTROL, sumCounter } from "../../engine/worker-memory.js";
import { COUNTER } from "../metrics.js";
import type { ConnectSettings } from "../settings.js";
import type { ConnectMessage, ConnectPlan } from "../worker-plan.js";
import { shareOf, type ThreadLayout, targetOf } from "./thread-layout.js";

/** A pause of this process that is made up for: longer ones move the schedule, instead of a burst. */
const STANDSTILL_MS = 500;

export class Pacer {
  /** By how much the schedule has moved because this process did not run. */
  movedMs = 0;
  readonly #pool: WorkerPool<ConnectPlan, ConnectMessage>;
  readonly #settings: ConnectSettings;
  readonly #layout: ThreadLayout;
  readonly #start: (worker: number, target: number) => void;
  readonly #settledWorkers = new Set<number>();
  #pacedMs = 0;
  #calledMs: number | undefined;
  #readyWorkers = 0;
  /** When as many threads were up as open at the same time. */
  #readyMs: number | undefined;

  /** @param start starts worker number `worker`, which is to have `target` connections at first */
  constructor(
    pool: WorkerPool<ConnectPlan, ConnectMessage>,
    settings: ConnectSettings,
    layout: ThreadLayout,
    start: (worker: number, target: number) => void,
  ) {
    this.#pool = pool;
    this.#settings = settings;
    this.#layout = layout;
    this.#start = start;
  }

  /** One more worker is up. */
  ready(): void {
    this.#readyWorkers++;
    if (this.#readyWorkers === this.#layout.active) this.#readyMs = performance.now();
  }

  /** A worker has tried everything asked of it so far. */
  settled(worker: number): void {
    const { counters } = this.#pool.memories[worker]!;
    if (counters[COUNTER.started]! >= shareOf(this.#layout, worker)) this.#settledWorkers.add(worker);
  }

  /** Connections wanted at a moment, by performance.now(). */
  wantedAt(nowMs: number): number {
    return this.#readyMs === undefined ? 0 : this.#settings.schedule.wantedAt(nowMs - this.#readyMs);
  }

  /** Deals what is wanted now. @returns whether the ramp has ended */
  pace(): boolean {
    const { schedule, isPaced } = this.#settings;
    if (isPaced) this.#skipStandstill();
    // The clock begins when the threads are up: their start is no reason for a burst, nor to begin without the others.
    const nowMs = this.#readyMs === undefined ? 0 : performance.now() - this.#readyMs;
    // A stage's end is not stepped over: its peak is asked for before the next stage begins.
    const elapsedMs = schedule.turnsMs.find((turnMs) => turnMs > this.#pacedMs && turnMs < nowMs) ?? nowMs;
    this.#pacedMs = elapsedMs;
    const wanted = this.#readyMs === undefined ? 0 : schedule.wantedAt(elapsedMs);
    for (let worker = 0; worker < this.#layout.workers; worker++) {
      // Without a pace the workers take turns: one begins when an earlier one has settled.
      const hasTurn = isPaced || worker < this.#settledWorkers.size + this.#layout.active;
      const target = hasTurn ? targetOf(this.#layout, worker, wanted) : 0;
      if (worker < this.#pool.size) this.#pool.set(worker, CONTROL.target, target);
      // The next thread is started ahead of its turn: that takes it some tens of milliseconds.
      else if (target > 0 || worker < this.#settledWorkers.size + this.#layout.active + 1) this.#start(worker, target);
    }
    return this.#readyMs !== undefined && elapsedMs >= schedule.endMs && this.#hasSettled(wanted);
  }

  /** Called every few milliseconds: what is much longer was a stop (SIGSTOP, a machine that was paused or overloaded). */
  #skipStandstill(): void {
    const nowMs = performance.now();
    const pauseMs = nowMs - (this.#calledMs ?? nowMs);
    this.#calledMs = nowMs;
    if (this.#readyMs === undefined || pauseMs < STANDSTILL_MS) return;
    const lostMs = Math.min(pauseMs, nowMs - this.#readyMs);
    this.#readyMs += lostMs;
    this.movedMs += lostMs;
  }

  #hasSettled(wanted: number): boolean {
    const sum = (counter: number) => sumCounter(this.#pool.memories, counter);
    const begun = sum(COUNTER.started) - sum(COUNTER.retired);
    // Failed ones cannot be closed again: a schedule that goes down has ended when no more are open than wanted.
    const isReached = begun === wanted || (begun > wanted && sum(COUNTER.open) <= wanted);
    return isReached && sum(COUNTER.inFlight) === 0;
  }
}
