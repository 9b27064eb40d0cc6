// Estimates the offset of an agent's clock over round trips: the shortest one is the least disturbed by queues.
import { type Bus, SUBJECTS } from "../bus.js";
import { parseClock } from "../messages.js";

const ROUNDS = 5;
const ANSWER_MS = 5000;

export interface ClockOffset {
  /** The agent's clock minus ours. */
  readonly offsetMs: number;
  /** The offset is uncertain by half of it. */
  readonly roundTripMs: number;
}

/** @returns the offset; undefined if the agent does not answer */
export async function measureClock(bus: Bus, agent: string): Promise<ClockOffset | undefined> {
  let best: ClockOffset | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const sentMs = performance.now();
    const answer = parseClock(await bus.request(SUBJECTS.agent(agent), { ask: "clock" }, ANSWER_MS));
    const roundTripMs = performance.now() - sentMs;
    // An agent that does not answer once is not asked again and again.
    if (!answer) return best;
    // Its clock was read, on average, half a round trip ago.
    const offsetMs = answer.nowMs - (Date.now() - roundTripMs / 2);
    if (best === undefined || roundTripMs < best.roundTripMs) best = { offsetMs, roundTripMs };
  }
  return best;
}
