// Estimates the offset of an agent's clock over round trips: the shortest one is the least disturbed by queues.
import { type Bus, SUBJECTS } from "../bus.js";
import { parseClock } from "../messages.js";

const ROUNDS = 5;
/** If all agents were asked at once, their answers would wait for each other here, and look like longer round trips. */
const MOST_AT_ONCE = 16;

export interface ClockOffset {
  /** The agent's clock minus ours. */
  readonly offsetMs: number;
  /** The offset is uncertain by half of it. */
  readonly roundTripMs: number;
}

/** @returns the offset of each agent's clock by its id; agents that do not answer in time are missing */
export async function measureClocks(
  bus: Bus,
  agents: readonly string[],
  timeoutMs: number,
): Promise<Map<string, ClockOffset>> {
  const clocks = new Map<string, ClockOffset>();
  const left = [...agents];
  const measure = async () => {
    for (let id = left.shift(); id !== undefined; id = left.shift()) {
      const clock = await measureClock(bus, id, timeoutMs);
      if (clock) clocks.set(id, clock);
    }
  };
  await Promise.all(Array.from({ length: MOST_AT_ONCE }, measure));
  return clocks;
}

/** @returns the offset; undefined if the agent does not answer */
async function measureClock(bus: Bus, agent: string, timeoutMs: number): Promise<ClockOffset | undefined> {
  let best: ClockOffset | undefined;
  for (let round = 0; round < ROUNDS; round++) {
    const sentMs = performance.now();
    const answer = parseClock(await bus.request(SUBJECTS.agent(agent), { ask: "clock" }, timeoutMs));
    const roundTripMs = performance.now() - sentMs;
    // An agent that does not answer once is not asked again and again.
    if (!answer) return best;
    // Its clock was read, on average, half a round trip ago.
    const offsetMs = answer.nowMs - (Date.now() - roundTripMs / 2);
    if (best === undefined || roundTripMs < best.roundTripMs) best = { offsetMs, roundTripMs };
  }
  return best;
}
