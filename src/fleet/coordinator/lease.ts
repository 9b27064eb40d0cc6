// The coordinator's sign of life. Agents that miss it for as long as their lease lasts close their connections.
import { type Bus, SUBJECTS } from "../bus.js";
import type { Timing } from "../messages.js";

/** An agent is lost after this many heartbeats without a sign of life. */
export const MISSED_BEATS = 3;
/** Before the start, at least after this time: starting threads and reading tables can keep an agent from answering. */
const LEAST_SILENCE_MS = 3000;

/** Returns how long an agent may be silent before the start. */
export function silenceMs({ heartbeatMs }: Timing): number {
  return Math.max(LEAST_SILENCE_MS, MISSED_BEATS * heartbeatMs);
}

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
