// Keeps what a run's result can be fetched from later, if NATS keeps it: what is known before the end, and the result.
import { AppError } from "../../../util/errors.js";
import { KEYS, type RunStore } from "../../store.js";
import type { Member } from "../member.js";
import type { Kind } from "../roles/kind.js";
import type { FleetRole } from "../roles/role.js";
import type { FleetFacts } from "./outcome.js";
import { keptPlan } from "./recover.js";

export class Archive<K extends Kind> {
  readonly #store: RunStore;
  readonly #role: FleetRole<K>["kind"];
  readonly #members: readonly Member<K>[];
  readonly #startedAt: string;
  readonly #notKept: (reason: string) => void;

  /** @param notKept called each time that NATS does not keep something */
  constructor(
    store: RunStore,
    role: FleetRole<K>["kind"],
    members: readonly Member<K>[],
    startedAt: string,
    notKept: (reason: string) => void,
  ) {
    this.#store = store;
    this.#role = role;
    this.#members = members;
    this.#startedAt = startedAt;
    this.#notKept = notKept;
  }

  /** Stores what the result can be put together from without the coordinator. */
  async keepPlan(facts: FleetFacts<K>): Promise<void> {
    const plan = keptPlan(this.#role, facts, this.#startedAt, this.#members);
    const obstacle = await this.#store.put(KEYS.plan(facts.run), plan);
    if (obstacle !== undefined) this.#notKept(obstacle);
  }

  /** Stores the result in place of the parts. */
  async keepResult(run: string, result: K["result"]): Promise<void> {
    const obstacle = await this.#store.put(KEYS.result(run), result);
    if (obstacle !== undefined) return this.#notKept(obstacle);
    await Promise.all(this.#members.map(({ id }) => this.#store.remove(KEYS.part(run, id))));
  }

  /** Returns the error of a run to which no agent has delivered its part. */
  noResult(run: string): AppError {
    const words = this.#members.map(({ name, reason }) => `${name}: ${reason}`).join("; ");
    const stored = this.#store.obstacle === undefined ? `, and at what they stored: fourtuple fleet result ${run}` : "";
    return new AppError("E_FLEET", `no agent delivered a result: ${words}`, {
      fix: `look at the agents' output${stored}`,
    });
  }
}
