// The coordinator's sign of life. Agents that miss it for as long as their lease lasts close their connections.
import { type Bus, SUBJECTS } from "../bus.js";

/** An agent is lost after this many heartbeats without a sign of life. */
export const MISSED_BEATS = 3;

export class Lease {
  readonly #timer: NodeJS.Timeout;

  constructor(bus: Bus, run: string, heartbeatMs: number) {
    const renew = () => bus.publish(SUBJECTS.lease(run), {});
    renew();
    this.#timer = setInterval(renew, heartbeatMs);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
