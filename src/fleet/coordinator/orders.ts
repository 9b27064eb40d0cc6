// The coordinator's orders to its agents: to start together, and to stop. They are repeated, because a message is lost
// while NATS restarts.
import { type Bus, SUBJECTS } from "../bus.js";
import { failureIn, toFailure } from "../refusals.js";
import type { Member } from "./member.js";
import type { Kind } from "./roles/kind.js";

const ANSWER_MS = 1000;
const REPEAT_STOP_MS = 1000;
/** How many heartbeats an agent may send after the start without having started. */
const MOST_URGES = 10;
/** Least time from the order to the common start. */
const LEAD_MS = 300;

/** @returns when agents with these round trips are to start, by the coordinator's clock */
export function commonStart(roundTripsMs: readonly number[]): number {
  return Date.now() + Math.max(LEAD_MS, 4 * Math.max(...roundTripsMs));
}

export class Orders<K extends Kind> {
  readonly #bus: Bus;
  readonly #run: string;
  readonly #startMs: number;
  #toldMs = 0;

  constructor(bus: Bus, run: string, startMs: number) {
    this.#bus = bus;
    this.#run = run;
    this.#startMs = startMs;
  }

  /**
   * An agent that does not answer is found by its silence.
   * @returns why the agent refuses, or cannot be asked; otherwise undefined
   */
  async start(member: Member<K>): Promise<string | undefined> {
    const atMs = this.#startMs + member.clock.offsetMs;
    const request = { ask: "start", run: this.#run, atMs };
    // The server may no longer permit the subject.
    const answer = await this.#bus.request(SUBJECTS.agent(member.id), request, ANSWER_MS).catch(toFailure);
    return failureIn(answer)?.message;
  }

  /**
   * Repeats the order to start for an agent that has not started: the order does not arrive while NATS restarts, and an
   * agent whose clock was set misunderstands it.
   *
   * @returns false if that has been in vain for too long
   */
  urge(member: Member<K>, heartbeatMs: number): boolean {
    if (Date.now() < this.#startMs + heartbeatMs) return true;
    if (member.urged++ >= MOST_URGES) return false;
    // An agent that is told again may already have ended its part, so a refusal means nothing.
    void this.start(member);
    return true;
  }

  stop({ id }: Member<K>): void {
    this.#bus.publish(SUBJECTS.agent(id), { ask: "stop", run: this.#run });
  }

  stopAll(members: readonly Member<K>[]): void {
    this.#toldMs = performance.now();
    for (const member of members) this.stop(member);
  }

  /** Tells agents that were told to stop once more, at intervals. */
  remind(members: readonly Member<K>[]): void {
    if (performance.now() - this.#toldMs > REPEAT_STOP_MS) this.stopAll(members);
  }
}
