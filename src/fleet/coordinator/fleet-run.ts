// The handle of a fleet's run, of either role. The run itself is in phases.ts.
import { EventEmitter } from "node:events";
import { sample } from "../../engine/run/sampling.js";
import type { Explained } from "../../results/diagnosis.js";
import type { AppError } from "../../util/errors.js";
import type { Bus } from "../bus.js";
import type { RunStore } from "../store.js";
import type { FleetPlan } from "./assemble.js";
import type { Member } from "./member.js";
import { FleetPhases } from "./phases.js";
import type { ClientKind, Kind } from "./roles/kind.js";

export interface FleetEvents {
  /** An agent is no longer part of the run. */
  agentLost: [name: string, reason: string];
  /** The other agents have not taken over this number of a lost agent's connections. */
  notTaken: [name: string, connections: number, reason: string];
  /** NATS does not keep what the result could be fetched from later. */
  notKept: [reason: string];
}

export class FleetRun<K extends Kind = ClientKind> extends EventEmitter<FleetEvents> {
  readonly id: string;
  /** Specification of the whole run. */
  readonly spec: K["spec"];
  readonly members: readonly Member<K>[];
  /** Interval of the agents' heartbeats, and so of their counters and latencies. */
  readonly heartbeatMs: number;
  /** Resolves when all agents have opened their connections, or accept some, or the run ends. */
  readonly ready: Promise<void>;
  readonly done: Promise<Explained<K["result"]>>;
  readonly #phases: FleetPhases<K>;

  /** @param members those prepared are started now */
  constructor(plan: FleetPlan<K>, members: readonly Member<K>[], bus: Bus, store: RunStore) {
    super();
    this.id = plan.run;
    this.spec = plan.spec;
    this.members = members;
    this.heartbeatMs = plan.timing.heartbeatMs;
    this.#phases = new FleetPhases(plan, members, bus, store, {
      agentLost: (name, reason) => this.emit("agentLost", name, reason),
      notTaken: (name, connections, reason) => this.emit("notTaken", name, connections, reason),
      notKept: (reason) => this.emit("notKept", reason),
    });
    this.ready = this.#phases.ready;
    this.done = this.#phases.done;
  }

  /** Closes all connections and resolves with the result. Repeated calls have no further effect. */
  stop(): Promise<Explained<K["result"]>> {
    this.#phases.stop();
    return this.done;
  }

  /** Ends the run at once. Agents that do not hear of it close their connections when their lease runs out. */
  abort(reason?: AppError): void {
    this.#phases.abort(reason);
  }

  /** Counters of all agents; those of lost agents as of their last heartbeat. */
  snapshot(): K["snapshot"] {
    return this.#phases.snapshot();
  }

  snapshots(intervalMs = 1000): AsyncGenerator<K["snapshot"]> {
    return sample(() => this.snapshot(), intervalMs, this.done);
  }

  [Symbol.asyncIterator](): AsyncGenerator<K["snapshot"]> {
    return this.snapshots();
  }
}
