// What summaries and reports say about the agents of a run: the rows of their tables, and how they started.
import type { FleetAgent, FleetReport } from "../../results/fleet/fleet.js";
import type { FleetServer } from "../../results/fleet/servers.js";
import { formatBound } from "../../util/bound.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { formatCount, formatDuration } from "../../util/units.js";

/** Columns of the table of agents that connected; `start` is their first connect(). */
export const CLIENT_COLUMNS = ["agent", "state", "requested", "ceiling", "established", "failed", "lost", "start"];

/** Returns an agent's row, by CLIENT_COLUMNS. */
export function clientCells(agent: FleetAgent): string[] {
  return [
    agent.name,
    agent.state,
    formatCount(agent.requested),
    formatBound(agent.ceiling),
    formatCount(agent.established),
    formatCount(agent.failed),
    formatCount(agent.lost),
    agent.startMs === undefined ? "-" : signed(agent.startMs),
  ];
}

/** Formats a time relative to the agreed one, which another clock may put in the future. */
function signed(ms: number): string {
  return `${ms < 0 ? "-" : "+"}${formatDuration(Math.abs(ms))}`;
}

/**
 * Says how far apart the agents' first connections were, such as `started 3 ms apart (their clocks are known to 1 ms)`.
 * @returns undefined for fewer than two agents, which cannot be compared
 */
export function describeStart({ startSkewMs, agents }: FleetReport): string | undefined {
  if (agents.filter(({ startMs }) => startMs !== undefined).length < 2) return undefined;
  const error = Math.max(...agents.map(({ roundTripMs }) => roundTripMs / 2));
  // The result has whole milliseconds.
  const skew = startSkewMs === 0 ? "within 1 ms of each other" : `${formatDuration(startSkewMs)} apart`;
  return `started ${skew} (their clocks are known to ${formatDuration(error)})`;
}

/** Returns an address at which clients reach an agent: for a wildcard, the first one of its host. */
export function addressOf({ address, addresses }: Pick<FleetServer, "address" | "addresses">): string {
  if (address === undefined) return "-";
  const { ip, lastIp, port } = address;
  if (lastIp !== undefined) return formatEndpoint(`${ip}-${lastIp}`, port);
  if (ip !== "0.0.0.0" && ip !== "::") return formatEndpoint(ip, port);
  const isSix = ip === "::";
  const own = addresses.find((each) => each.includes(":") === isSix) ?? addresses[0];
  return formatEndpoint(own ?? (isSix ? "::1" : "127.0.0.1"), port);
}

/** Columns of the table of agents in summaries and reports. */
export const SERVER_COLUMNS = [
  "agent",
  "state",
  "address",
  "ceiling",
  "accepted",
  "peak open",
  "open at stop",
  "rejected",
];

/** Returns an agent's row, by SERVER_COLUMNS. */
export function serverCells(agent: FleetServer): string[] {
  return [
    agent.name,
    agent.state,
    addressOf(agent),
    formatBound(agent.ceiling),
    formatCount(agent.accepted),
    formatCount(agent.peakOpen),
    formatCount(agent.openAtStop),
    formatCount(agent.rejected),
  ];
}
