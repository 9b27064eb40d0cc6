// Tracks the connections in flight in a client worker: when each was started, how long its steps take, and whether
// greetings hold the ramp back.
import type { WorkerMemory } from "../../engine/worker-memory.js";
import type { Histogram } from "../../results/histogram/histogram.js";
import { COUNTER, HISTOGRAM } from "../metrics.js";
import { Standstills } from "../standstills.js";
import type { ConnectPlan } from "../worker-plan.js";
import { Greetings } from "./greetings.js";
import { RampTimes } from "./waits.js";

/** Longest time since a start; beyond this, microseconds modulo 2^32 stand for a start in the future. */
const LATEST_US = 2 ** 32 - 2 ** 24;

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
  /**
   * All slots below this one are free or resting, so that looking for overdue handshakes does not take longer the more
   * connections are held. The owner raises it.
   */
  settledBelow = 0;
  /** Start time of each connection by slot, in microseconds modulo 2^32; 0 after its first byte. */
  private readonly startedUs: Uint32Array;
  readonly greetings: Greetings;
  readonly standstills: Standstills;
  private readonly connects: Histogram;
  /** Time from ESTABLISHED to ready. */
  private readonly handshakes: Histogram;
  private readonly firstBytes: Histogram;
  private readonly times: RampTimes;

  /** @param slots number of slots that can ever be in use */
  constructor(plan: ConnectPlan, { counters, histograms }: WorkerMemory, slots: number) {
    this.startedUs = new Uint32Array(slots);
    this.connects = histograms[HISTOGRAM.connectUs]!;
    this.handshakes = histograms[HISTOGRAM.handshakeUs]!;
    this.firstBytes = histograms[HISTOGRAM.firstByteUs]!;
    this.times = new RampTimes(counters);
    this.standstills = new Standstills(counters);
    const hasOneDestination = plan.destinationCounts === undefined;
    this.greetings = new Greetings(new Int32Array(plan.shared), plan.closesGreeted, hasOneDestination);
  }

  /** Number of slots that can ever be in use. */
  get slots(): number {
    return this.startedUs.length;
  }

  /** Called when the worker wakes up. */
  turn(nowMs: number): void {
    this.standstills.awake(nowMs);
    const passedMs = this.times.turn(nowMs, this.waitsFor);
    if (this.waitsFor === COUNTER.greetingMs && this.isBehind) this.greetings.held(nowMs, passedMs);
  }

  /** A connection is started in `slot`. */
  began(slot: number, nowMs: number): void {
    this.startedUs[slot] = toClock(nowMs);
    if (slot < this.settledBelow) this.settledBelow = slot;
  }

  /** Whether the connection in `slot` has not received its first byte yet. */
  isTimed(slot: number): boolean {
    return this.startedUs[slot] !== 0;
  }

  /** Returns the time since the start of the connection in `slot`, or of its protocol handshake, in milliseconds. */
  sinceMs(slot: number, nowMs: number): number {
    const sinceUs = (toClock(nowMs) - this.startedUs[slot]!) >>> 0;
    // The start may be later than the event that is being handled.
    return sinceUs > LATEST_US ? 0 : sinceUs / 1000;
  }

  /** Called when TCP reports the connection as ESTABLISHED. */
  established(slot: number, nowMs: number): void {
    const handshakeMs = this.sinceMs(slot, nowMs);
    this.connects.record(handshakeMs * 1000);
    this.standstills.mark(nowMs - handshakeMs, COUNTER.standstillConnects);
    this.greetings.opened(handshakeMs);
  }

  /** The protocol handshake begins. */
  beginHandshake(slot: number, nowMs: number): void {
    this.startedUs[slot] = toClock(nowMs);
  }

  /** Called when the protocol handshake is complete. */
  endHandshake(slot: number, nowMs: number): void {
    const handshakeMs = this.sinceMs(slot, nowMs);
    this.handshakes.record(handshakeMs * 1000);
    this.standstills.mark(nowMs - handshakeMs);
    this.startedUs[slot] = 0;
  }

  /**
   * Called when the first byte has arrived.
   * @param heldMs time since ESTABLISHED, which is all that is known after more than an hour
   * @param isTimed whether the byte counts as a greeting
   * @returns milliseconds since the start
   */
  firstByte(slot: number, nowMs: number, heldMs: number, isTimed: boolean): number {
    const sinceMs = Math.max(heldMs, this.sinceMs(slot, nowMs));
    this.startedUs[slot] = 0;
    if (isTimed) {
      this.firstBytes.record(sinceMs * 1000);
      this.standstills.mark(nowMs - sinceMs);
    }
    return sinceMs;
  }
}

/** Returns a time in microseconds modulo 2^32, but never 0. */
function toClock(ms: number): number {
  return (ms * 1000) >>> 0 || 1;
}
