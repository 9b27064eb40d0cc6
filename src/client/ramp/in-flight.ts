// Tracks the connections in flight in a client worker: when each was started, how long its steps take, and whether
// greetings hold the ramp back.
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER, HISTOGRAM } from "../metrics.js";
import type { ConnectPlan } from "../worker-plan.js";
import { Greetings } from "./greetings.js";
import { RampTimes } from "./waits.js";

/**
 * A connection is in flight until it is ESTABLISHED, or until its greeting if the peer is known to greet. Then it is
 * resting.
 */
export class InFlight {
  /** Number of in-flight connections waiting for a greeting. */
  greeting = 0;
  /** Index of the counter for whatever currently limits the ramp; see RampTimes. */
  waitsFor = -1;
  /** True while fewer connections have been started than are wanted. */
  isBehind = false;
  /** Start time of each connection by slot, in milliseconds; 0 after its first byte. */
  readonly startedMs: Float64Array;
  readonly greetings: Greetings;
  private readonly connects: Histogram;
  /** Time from ESTABLISHED to ready. */
  private readonly handshakes: Histogram;
  private readonly firstBytes: Histogram;
  private readonly times: RampTimes;

  /** @param slots number of slots that can ever be in use */
  constructor(plan: ConnectPlan, { counters, histograms }: WorkerMemory, slots: number) {
    this.startedMs = new Float64Array(slots);
    this.connects = histograms[HISTOGRAM.connectUs]!;
    this.handshakes = histograms[HISTOGRAM.handshakeUs]!;
    this.firstBytes = histograms[HISTOGRAM.firstByteUs]!;
    this.times = new RampTimes(counters);
    const hasOneDestination = plan.destinationCounts === undefined;
    this.greetings = new Greetings(new Int32Array(plan.shared), plan.closesGreeted, hasOneDestination);
  }

  /** Number of slots that can ever be in use. */
  get slots(): number {
    return this.startedMs.length;
  }

  /** Called when the worker wakes up. */
  turn(nowMs: number): void {
    const passedMs = this.times.turn(nowMs, this.waitsFor);
    if (this.waitsFor === COUNTER.greetingMs && this.isBehind) this.greetings.held(nowMs, passedMs);
  }

  /** Called when TCP reports the connection as ESTABLISHED. */
  established(slot: number, nowMs: number): void {
    const handshakeMs = nowMs - this.startedMs[slot]!;
    this.connects.record(handshakeMs * 1000);
    this.greetings.opened(handshakeMs);
  }

  /** The protocol handshake begins. */
  beginHandshake(slot: number, nowMs: number): void {
    this.startedMs[slot] = nowMs;
  }

  /** Called when the protocol handshake is complete. */
  endHandshake(slot: number, nowMs: number): void {
    this.handshakes.record((nowMs - this.startedMs[slot]!) * 1000);
    this.startedMs[slot] = 0;
  }

  /**
   * Called when the first byte has arrived.
   * @param isTimed whether the byte counts as a greeting
   * @returns milliseconds since the start
   */
  firstByte(slot: number, nowMs: number, isTimed: boolean): number {
    const sinceMs = nowMs - this.startedMs[slot]!;
    this.startedMs[slot] = 0;
    if (isTimed) this.firstBytes.record(sinceMs * 1000);
    return sinceMs;
  }
}
