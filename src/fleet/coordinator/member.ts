// An agent as its coordinator sees it: its share, its last sign of life, and what became of it.
import type { RunSpec } from "../../planning/run-spec.js";
import type { FleetAgent } from "../../results/fleet/fleet.js";
import type { Prepared } from "../messages.js";
import type { FailureCounts } from "../sums/failures.js";
import type { CoarseHistograms } from "../sums/latencies.js";
import type { ClockOffset } from "./clock.js";
import type { AddressPool } from "./dealing/address-pool.js";
import type { Dealt } from "./dealing/deal.js";
import { type Holder, roomOf } from "./dealing/room.js";
import type { Outcome } from "./result/outcome.js";
import type { ClientKind, Kind } from "./roles/kind.js";

/** A load that an agent was given in the course of a run. */
export interface Taken {
  readonly spec: RunSpec;
  /** When its times begin, since the start of the run. */
  readonly fromMs: number;
  /** The clock that its spec is in, minus the coordinator's. */
  readonly clockOffsetMs: number;
}

export class Member<K extends Kind = ClientKind> {
  readonly dealt: Dealt;
  readonly clock: ClockOffset;
  /** Addresses without kernel sockets for connections of lost agents; undefined if it needs no further ones. */
  readonly pool: AddressPool | undefined;
  /** The agent's part of the run; a redeal before the start replaces it. */
  spec: K["spec"];
  state: "active" | FleetAgent["state"] = "active";
  /** Connections taken over from lost agents. */
  extra = 0;
  /** Their loads. */
  readonly taken: Taken[] = [];
  /** Connections that it was asked to take over, and has not confirmed. */
  pending = 0;
  /** Connections of this agent that others took over. */
  takenOver = 0;
  /** Why others did not take over all of them; undefined if they did, or have not been asked. */
  untaken: string | undefined;
  /** How often it was told to start since the moment of the start. */
  urged = 0;
  heardMs = performance.now();
  snapshot: K["snapshot"] | undefined;
  /** Latencies as of its last heartbeat. */
  histograms: CoarseHistograms = {};
  /** Failures as of its last heartbeat. */
  failures: FailureCounts = [];
  /** Cores that its program used between its last two heartbeats. */
  cores = 0;
  result: K["result"] | undefined;
  /** Where an agent that serves listens. */
  address: Prepared["address"];
  reason: string | undefined;
  lostAt: string | undefined;

  constructor(dealt: Dealt, clock: ClockOffset, spec: K["spec"], pool?: AddressPool) {
    this.dealt = dealt;
    this.clock = clock;
    this.spec = spec;
    this.pool = pool;
  }

  get id(): string {
    return this.dealt.agent.id;
  }

  get name(): string {
    return this.dealt.agent.name;
  }

  get requested(): number {
    return this.dealt.connections + this.extra;
  }

  /** How many more connections the agent could hold. */
  get room(): number {
    return roomOf(this.asHolder());
  }

  asHolder(): Holder {
    const { ceiling } = this.dealt;
    return { name: this.name, ceiling, held: this.requested + this.pending, pool: this.pool };
  }

  /** What is left when the run is over. */
  outcome(): Outcome<K> {
    const { agent, ceiling } = this.dealt;
    return {
      agent,
      ceiling,
      clock: this.clock,
      requested: this.requested,
      takenOver: this.takenOver,
      untaken: this.untaken,
      state: this.state === "active" ? "lost" : this.state,
      reason: this.reason,
      lostAt: this.lostAt,
      address: this.address,
      last: this.snapshot,
      result: this.result,
    };
  }

  /** Ends the member's part without a result. */
  lose(state: Exclude<FleetAgent["state"], "ended">, reason: string): void {
    this.state = state;
    this.reason = reason;
    this.lostAt = new Date().toISOString();
  }
}
