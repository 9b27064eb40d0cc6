// How often a fleet's progress is shown: its counters change with the heartbeats of its agents, so figures that are taken
// more often would stand still and then jump.
import { RateMeter } from "../../output/terminal/rate-meter.js";

const LINE_MS = 1000;

interface Beating {
  readonly heartbeatMs: number;
}

/** Returns the interval of lines and JSON events. */
export function lineMs({ heartbeatMs }: Beating): number {
  return Math.max(LINE_MS, heartbeatMs);
}

/** Returns a meter whose window has a heartbeat of each agent, even a late one. */
export function fleetMeter({ heartbeatMs }: Beating): RateMeter {
  return new RateMeter(2 * heartbeatMs);
}
