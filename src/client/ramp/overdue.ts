// Finds connections in flight that are overdue: handshakes past their timeout, and greetings no longer worth waiting
// for. A scan of the slots begins ten times a second and continues over several turns.
import type { Transport } from "../../transport/contract.js";
import { SLOT } from "../../transport/slot-state.js";
import type { LossStats } from "../evidence/loss-stats.js";
import { COUNTER } from "../metrics.js";
import type { ConnectPlan } from "../worker-plan.js";
import type { InFlight } from "./in-flight.js";

const EVERY_MS = 100;
const SLOTS_AT_ONCE = 16_384;
const NONE = -1;

/** Handles overdue connections. Implemented by ClientEvents. */
export interface OverdueOwner {
  readonly nowMs: number;
  readonly shakesHands: boolean;
  readonly inFlight: InFlight;
  readonly ages: LossStats;
  /** Fails a connection attempt if it has exceeded its timeout. */
  expire(slot: number, nowMs: number): void;
  /** Fails a protocol handshake. */
  timeOut(slot: number): void;
  /** Stops waiting for a greeting. */
  settle(slot: number): void;
}

export class OverdueScan {
  private readonly owner: OverdueOwner;
  private readonly transport: Pick<Transport, "end" | "state">;
  private readonly plan: ConnectPlan;
  private readonly counters: Float64Array;
  private nextMs = 0;
  /** Next slot of the scan in progress. */
  private cursor = NONE;

  constructor(
    owner: OverdueOwner,
    transport: Pick<Transport, "end" | "state">,
    plan: ConnectPlan,
    counters: Float64Array,
  ) {
    this.owner = owner;
    this.transport = transport;
    this.plan = plan;
    this.counters = counters;
  }

  /** Handles the overdue connections among a limited number of slots. */
  turn(): void {
    const { owner, transport, plan } = this;
    const { inFlight, nowMs } = owner;
    if (!this.areInFlight) return;
    if (this.cursor === NONE) {
      if (nowMs < this.nextMs) return;
      this.nextMs = nowMs + Math.min(EVERY_MS, plan.connectTimeoutMs / 4, plan.handshakeTimeoutMs / 4);
      this.cursor = inFlight.settledBelow;
    }
    const end = Math.min(this.cursor + SLOTS_AT_ONCE, transport.end);
    for (let slot = this.cursor; slot < end; slot++) {
      const state = transport.state(slot);
      if (state === SLOT.opening) owner.expire(slot, nowMs);
      else if (state === SLOT.opened && owner.shakesHands) {
        if (this.waitedMs(slot) >= plan.handshakeTimeoutMs) owner.timeOut(slot);
      } else if (state === SLOT.opened) {
        if (inFlight.greetings.gaveUp(this.waitedMs(slot))) owner.settle(slot);
      } else if (slot === inFlight.settledBelow) inFlight.settledBelow++;
    }
    this.cursor = end < transport.end ? end : NONE;
  }

  /** Returns the time until there is something to scan; Infinity if nothing is in flight, even in the middle of a scan. */
  untilNextMs(nowMs: number): number {
    if (!this.areInFlight) return Number.POSITIVE_INFINITY;
    return this.cursor === NONE ? this.nextMs - nowMs : 0;
  }

  /** Returns the time since ESTABLISHED in which this thread could have handled an answer. */
  private waitedMs(slot: number): number {
    const { ages, nowMs, inFlight } = this.owner;
    return inFlight.standstills.runningMs(nowMs - ages.heldMs(slot, nowMs), nowMs);
  }

  private get areInFlight(): boolean {
    return this.counters[COUNTER.inFlight]! > 0 || this.counters[COUNTER.reopening]! > 0;
  }
}
