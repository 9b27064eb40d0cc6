// An agent as its coordinator sees it: its share, its last sign of life, and what became of it.
import type { ConnectSnapshot } from "../../client/snapshot.js";
import type { RunSpec } from "../../planning/run-spec.js";
import type { ConnectResult } from "../../results/connect.js";
import type { FleetAgent } from "../../results/fleet/fleet.js";
import type { ClockOffset } from "./clock.js";
import type { Dealt } from "./deal.js";
import type { Outcome } from "./result.js";

export class Member {
  readonly dealt: Dealt;
  readonly clock: ClockOffset;
  /** The agent's part of the run; a redeal before the start replaces it. */
  spec: RunSpec;
  state: "active" | FleetAgent["state"] = "active";
  /** Connections taken over from lost agents. */
  extra = 0;
  /** Connections that it was asked to take over, and has not confirmed. */
  pending = 0;
  /** Connections of this agent that others took over. */
  takenOver = 0;
  /** How often it was told to start since the moment of the start. */
  urged = 0;
  heardMs = performance.now();
  snapshot: ConnectSnapshot | undefined;
  result: ConnectResult | undefined;
  reason: string | undefined;
  lostAt: string | undefined;

  constructor(dealt: Dealt, clock: ClockOffset, spec: RunSpec) {
    this.dealt = dealt;
    this.clock = clock;
    this.spec = spec;
  }

  get id(): string {
    return this.dealt.agent.id;
  }

  get name(): string {
    return this.dealt.agent.name;
  }

  get requested(): number {
    return this.spec.connections + this.extra;
  }

  /** How many more connections the agent could hold. */
  get room(): number {
    return Math.max(0, this.dealt.ceiling.connections - this.requested - this.pending);
  }

  /** What is left when the run is over. */
  outcome(): Outcome {
    const { agent, ceiling } = this.dealt;
    return {
      agent,
      ceiling,
      clock: this.clock,
      requested: this.requested,
      takenOver: this.takenOver,
      state: this.state === "active" ? "lost" : this.state,
      reason: this.reason,
      lostAt: this.lostAt,
      last: this.snapshot && {
        established: this.snapshot.established,
        open: this.snapshot.open,
        failed: this.snapshot.failed,
        lost: this.snapshot.lost,
      },
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
