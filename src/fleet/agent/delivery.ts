// Delivers an agent's parts: stores each for `fleet result`, and offers it to its coordinator until one of the two has
// succeeded, or the agent ends.
import { type Bus, SUBJECTS } from "../bus.js";
import type { Part } from "../messages.js";
import { pause } from "../pause.js";
import { toFailure } from "../refusals.js";
import { KEYS, type RunStore } from "../store.js";

/** How long an agent offers its result to a coordinator that does not answer. */
const DELIVERY_MS = 15_000;
/** How long it tries to store its result while NATS is away. */
const STORING_MS = 10 * 60_000;
const ANSWER_MS = 1000;

export class Deliveries {
  readonly #bus: Bus;
  readonly #store: RunStore;
  readonly #undelivered: (run: string, reason: string) => void;
  readonly #current = new Set<Promise<void>>();
  #isEnding = false;

  /** @param undelivered called with the reason when a part was neither taken by its coordinator nor stored */
  constructor(bus: Bus, store: RunStore, undelivered: (run: string, reason: string) => void) {
    this.#bus = bus;
    this.#store = store;
    this.#undelivered = undelivered;
  }

  begin(run: string, part: Part): void {
    const delivery = this.#deliver(run, part).finally(() => this.#current.delete(delivery));
    this.#current.add(delivery);
  }

  /** Tries each delivery once more, and resolves when all of them have ended. */
  async end(): Promise<void> {
    this.#isEnding = true;
    await Promise.all(this.#current);
  }

  /**
   * Stores the part first, so that a coordinator that dies after its answer loses nothing. While NATS is away, neither
   * works, and both are repeated.
   */
  async #deliver(run: string, part: Part): Promise<void> {
    const startMs = performance.now();
    let obstacle = await this.#store.put(KEYS.part(run, part.agent), part);
    while (performance.now() - startMs < (obstacle === undefined ? DELIVERY_MS : STORING_MS)) {
      const askedMs = performance.now();
      // The server may forbid the subject.
      if (await this.#offer(run, part).catch(() => false)) return;
      if (this.#isEnding) break;
      if (obstacle !== undefined) obstacle = await this.#store.put(KEYS.part(run, part.agent), part);
      await pause(Math.max(0, ANSWER_MS - (performance.now() - askedMs)));
    }
    const reason = obstacle ?? this.#store.obstacle;
    if (reason !== undefined) this.#undelivered(run, reason);
  }

  /** @returns whether the coordinator has taken the part, or the reason why it cannot be sent */
  async #offer(run: string, part: Part): Promise<boolean> {
    try {
      return (await this.#bus.request(SUBJECTS.parts(run), part, ANSWER_MS)) !== undefined;
    } catch (error) {
      const failed: Part = { agent: part.agent, ...toFailure(error) };
      return (await this.#bus.request(SUBJECTS.parts(run), failed, ANSWER_MS)) !== undefined;
    }
  }
}
