// The result of a run: made from its agents' parts when it is over, and kept in NATS, with what it could be put together
// from without the coordinator.
import type { Explained } from "../../../results/diagnosis.js";
import { AppError } from "../../../util/errors.js";
import { KEYS, type RunStore } from "../../store.js";
import type { FleetPlan } from "../assemble.js";
import type { Member } from "../member.js";
import type { Kind } from "../roles/kind.js";
import type { FleetFacts } from "./outcome.js";
import { keptPlan } from "./recover.js";

export class Archive<K extends Kind> {
  readonly startedAt = new Date().toISOString();
  readonly #store: RunStore;
  readonly #plan: FleetPlan<K>;
  readonly #members: readonly Member<K>[];
  readonly #startMs: number;
  readonly #notKept: (reason: string) => void;

  /**
   * @param startMs when the agents are to start, by the coordinator's clock
   * @param notKept called each time that NATS does not keep something
   */
  constructor(
    store: RunStore,
    plan: FleetPlan<K>,
    members: readonly Member<K>[],
    startMs: number,
    notKept: (reason: string) => void,
  ) {
    this.#store = store;
    this.#plan = plan;
    this.#members = members;
    this.#startMs = startMs;
    this.#notKept = notKept;
  }

  /** Stores what the result can be put together from without the coordinator. */
  async keepPlan(): Promise<void> {
    const { role, run } = this.#plan;
    const plan = keptPlan(role.kind, this.#facts(true), this.startedAt, this.#members);
    const obstacle = await this.#store.put(KEYS.plan(run), plan);
    if (obstacle !== undefined) this.#notKept(obstacle);
  }

  /**
   * Makes the result, and stores it in place of the parts.
   *
   * @param wasStopped whether the run was ended before its time
   * @returns an error if no agent has delivered its part, or the parts cannot be merged
   */
  async conclude(wasStopped: boolean): Promise<Explained<K["result"]> | AppError> {
    const result = this.#merge(wasStopped);
    if (result === undefined) return this.#noResult();
    if (!(result instanceof AppError)) await this.#keepResult(result);
    return result;
  }

  #merge(wasStopped: boolean): Explained<K["result"]> | AppError | undefined {
    const outcomes = this.#members.map((member) => member.outcome());
    try {
      return this.#plan.role.result(this.#facts(wasStopped), outcomes);
    } catch (cause) {
      return new AppError("E_FLEET", `the agents' results cannot be merged: ${(cause as Error).message}`, { cause });
    }
  }

  #facts(wasStopped: boolean): FleetFacts<K> {
    const { onLost, role, spec, run } = this.#plan;
    return { run, onLost, spec: role.target(spec), startMs: this.#startMs, wasStopped };
  }

  async #keepResult(result: K["result"]): Promise<void> {
    const { run } = this.#plan;
    const obstacle = await this.#store.put(KEYS.result(run), result);
    if (obstacle !== undefined) return this.#notKept(obstacle);
    await Promise.all(this.#members.map(({ id }) => this.#store.remove(KEYS.part(run, id))));
  }

  /** Returns the error of a run to which no agent has delivered its part. */
  #noResult(): AppError {
    const words = this.#members.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    const { run } = this.#plan;
    const stored = this.#store.obstacle === undefined ? `, and at what they stored: fourtuple fleet result ${run}` : "";
    return new AppError("E_FLEET", `no agent delivered a result: ${words}`, {
      fix: `look at the agents' output${stored}`,
    });
  }
}
