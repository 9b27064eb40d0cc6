// An agent's part in one run: from the prepared load to its result. It ends by itself, when the coordinator says so, or
// when the coordinator has been silent for as long as its lease lasts.
import type { ConnectSnapshot } from "../../client/snapshot.js";
import { CoreMeter } from "../../engine/run/core-meter.js";
import type { ConnectResult } from "../../results/connect.js";
import { mergeConnect } from "../../results/merge/connect.js";
import type { ServeResult } from "../../results/serve.js";
import { type Bus, SUBJECTS } from "../bus.js";
import type { Beat, Timing } from "../messages.js";
import { MOST_FAILURES, sumOfFailures } from "../sums/failures.js";
import { countOncePerPlace } from "../sums/kernel-counts.js";
import { coarseSums } from "../sums/latencies.js";
import { mergeSnapshots } from "../sums/snapshots.js";
import type { Load, PreparedLoad } from "./load.js";

/** setTimeout() takes 31 bits; no start is further away. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

type PartResult = ConnectResult | ServeResult;

export class AgentRun {
  /** Resolves with the result of the part; undefined if nothing was started. Rejects if a load fails. */
  readonly done: Promise<PartResult | undefined>;
  /** Why the run was stopped from here; undefined if it was not. */
  stopReason: string | undefined;
  /** Whether it was stopped because the lease ran out. */
  isLapsed = false;
  readonly id: string;
  readonly #agent: string;
  readonly #bus: Bus;
  readonly #timing: Timing;
  readonly #loads: Load[] = [];
  readonly #meter = new CoreMeter();
  /** Undefined once it has begun, and while another one is being prepared in its place. */
  #prepared: PreparedLoad | undefined;
  #startTimer: NodeJS.Timeout | undefined;
  readonly #beatTimer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #heardMs = performance.now();
  #beatMs = performance.now();
  #ended = 0;
  #isStopping = false;
  #isOver = false;
  #resolve!: (result: PartResult | undefined) => void;
  #reject!: (error: unknown) => void;

  constructor(id: string, agent: string, bus: Bus, timing: Timing, prepared: PreparedLoad) {
    this.id = id;
    this.#agent = agent;
    this.#bus = bus;
    this.#timing = timing;
    this.#prepared = prepared;
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.done.catch(() => undefined);
    this.#unsubscribe = bus.subscribe(SUBJECTS.lease(id), () => {
      this.#heardMs = performance.now();
    });
    this.#beatTimer = setInterval(() => this.#beat(), timing.heartbeatMs);
  }

  get isStarted(): boolean {
    return this.#startTimer !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Gives the prepared load up, if the coordinator has dealt the shares anew before the start. */
  async discard(): Promise<void> {
    const prepared = this.#prepared;
    this.#prepared = undefined;
    await prepared?.discard();
  }

  /**
   * Takes another load in place of the one that was given up.
   * @returns false if the run is ending, and the load has been given up
   */
  replace(prepared: PreparedLoad): boolean {
    if (this.#isOver || this.#isStopping) {
      void prepared.discard();
      return false;
    }
    this.#prepared = prepared;
    this.#heardMs = performance.now();
    return true;
  }

  /** Starts the prepared load at a time by Date.now(). */
  start(atMs: number): void {
    if (this.isStarted || this.#isOver) return;
    const waitMs = Math.min(Math.max(0, atMs - Date.now()), LONGEST_WAIT_MS);
    const prepared = this.#prepared;
    if (!prepared) return;
    this.#startTimer = setTimeout(() => {
      this.#prepared = undefined;
      this.#begin(prepared);
    }, waitMs);
  }

  /**
   * Starts a further load in addition to the first.
   * @returns false if the run is ending, and the load has been given up
   */
  extend(prepared: PreparedLoad): boolean {
    if (this.#isOver || this.#isStopping) {
      void prepared.discard();
      return false;
    }
    // The order to start may not have arrived, and would not be repeated after a heartbeat with counters.
    this.start(Date.now());
    this.#begin(prepared);
    // Before the coordinator takes the whole part for ready.
    this.#sendBeat();
    return true;
  }

  /** Closes all connections; `done` then resolves. */
  stop(reason?: string): void {
    this.stopReason ??= reason;
    if (this.#isStopping) return;
    this.#isStopping = true;
    clearTimeout(this.#startTimer);
    // What was prepared and has not begun.
    const discarded = this.discard();
    if (this.#loads.length === 0) void discarded.then(() => this.#end(undefined));
    for (const load of this.#loads) load.stop();
  }

  /** Tells the coordinator that this program is ending. */
  announceEnd(): void {
    this.#bus.publish(SUBJECTS.beats(this.id), { agent: this.#agent, isGone: true } satisfies Beat);
  }

  #begin(prepared: PreparedLoad): void {
    if (this.#isOver || this.#isStopping) return;
    try {
      const load = prepared.begin();
      this.#loads.push(load);
      // The coordinator waits for this.
      void load.ready.then(() => this.#sendBeat()).catch(() => undefined);
      load.done.then(
        () => this.#endIfDone(),
        (error) => this.#fail(error),
      );
    } catch (error) {
      this.#fail(error);
    }
  }

  #endIfDone(): void {
    if (++this.#ended < this.#loads.length) return;
    void Promise.all(this.#loads.map(({ done }) => done))
      .then((results) => this.#end(wholeOf(results)))
      .catch((error) => this.#fail(error));
  }

  #fail(error: unknown): void {
    for (const load of this.#loads) load.stop();
    // The loads that did not fail close their connections first.
    void Promise.allSettled(this.#loads.map(({ done }) => done)).then(() => this.#end(undefined, error));
  }

  #end(result: PartResult | undefined, error?: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearInterval(this.#beatTimer);
    clearTimeout(this.#startTimer);
    this.#unsubscribe();
    if (error !== undefined) this.#reject(error);
    else this.#resolve(result);
  }

  #beat(): void {
    const nowMs = performance.now();
    const silentMs = nowMs - this.#heardMs;
    const stoodStill = nowMs - this.#beatMs > 2 * this.#timing.heartbeatMs;
    this.#beatMs = nowMs;
    // After this program stood still, what it has received meanwhile is handled first.
    if (!stoodStill && silentMs > this.#timing.leaseMs && !this.#isStopping) {
      this.isLapsed = true;
      this.stop(`the coordinator was silent for ${Math.round(silentMs / 100) / 10} s`);
    }
    this.#sendBeat();
  }

  #sendBeat(): void {
    if (this.#isOver) return;
    const snapshots = this.#loads.map((load) => load.snapshot());
    // Only loads that connect are ever extended.
    const snapshot = snapshots.length > 1 ? mergeSnapshots(snapshots as ConnectSnapshot[]) : snapshots[0];
    const cores = this.#meter.take();
    const measured = this.#loads.map((load) => load.measure());
    const histograms = coarseSums(measured.map((each) => each.histograms));
    const failures = sumOfFailures(measured.map((each) => each.failures)).slice(0, MOST_FAILURES);
    const beat: Beat = { agent: this.#agent, snapshot, cores, histograms, ...(failures.length > 0 && { failures }) };
    this.#bus.publish(SUBJECTS.beats(this.id), beat);
  }
}

function wholeOf(results: readonly PartResult[]): PartResult {
  if (results.length === 1) return results[0]!;
  const loads = results as readonly ConnectResult[];
  return countOncePerPlace(
    loads,
    loads.map(() => "here"),
  ).reduce(mergeConnect);
}
