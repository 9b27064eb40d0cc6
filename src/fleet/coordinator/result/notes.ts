// Words about a fleet's run that only a comparison of its agents can tell: who is missing, whose limit came first, and
// whether the machines that generated the load were the bottleneck.
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import type { FleetAgent, FleetReport } from "../../../results/fleet/fleet.js";
import type { FleetServer } from "../../../results/fleet/servers.js";
import { formatCount, formatDuration } from "../../../util/units.js";

/** With the CPU as the limit for this share of the ramp, a faster machine would have opened connections faster. */
const BUSY = 0.5;
/** In a shorter ramp, shares of its time mean nothing. */
const SHORTEST_RAMP_MS = 500;
/** Fourtuple's own start-up takes this long; a larger skew distorts a short ramp. */
const NOTABLE_SKEW_MS = 50;
/** Most agents that a note names. */
const MOST_LISTED = 8;

/**
 * @param ids agents of the parts
 * @param parts results on a common clock
 * @param finding what stopped the whole run
 */
export function fleetNotes(
  fleet: FleetReport,
  ids: readonly string[],
  parts: readonly ConnectResult[],
  finding: Finding | undefined,
): string[] {
  const agentOf = (n: number) => fleet.agents.find(({ id }) => id === ids[n])!;
  return [
    ...fleet.agents.filter(({ state }) => state !== "ended").map(clientAbsence),
    ...firstLimit(parts, agentOf, finding),
    ...bottleneck(parts, agentOf),
    ...(fleet.startSkewMs > NOTABLE_SKEW_MS
      ? [`the agents' first connections were ${formatDuration(fleet.startSkewMs)} apart`]
      : []),
  ];
}

/** Says that an agent's part is missing, for a client. */
function clientAbsence(agent: FleetAgent): string {
  const { requested, established, openAtStop, untaken } = agent;
  const share = `its ${formatCount(requested)} connections are not part of this result`;
  const words = absence(
    agent,
    share,
    `${formatCount(established)} were established and ${formatCount(openAtStop)} open when last heard of`,
  );
  return untaken === undefined ? words : `${words}; the others did not take over all of them (${untaken})`;
}

/** Says that an agent's part is missing, for a server. */
export function serverAbsence(agent: FleetServer): string {
  const last = `it had accepted ${formatCount(agent.accepted)}, and ${formatCount(agent.openAtStop)} were open when last heard of`;
  return absence(agent, "its connections are not part of this result", last);
}

type Absent = Pick<FleetAgent, "name" | "state" | "reason" | "lostAt">;

function absence({ name, state, reason, lostAt }: Absent, share: string, last: string): string {
  if (state === "left-out") return `agent ${name} was left out (${reason}): ${share}`;
  const at = lostAt === undefined ? "" : ` at ${lostAt}`;
  return `agent ${name} ${state === "lost" ? "was lost" : "failed"}${at} (${reason}): ${share}; ${last}`;
}

/** Names the agent that a limit stopped first. What all of them have met at the server is no limit of an agent. */
function firstLimit(
  parts: readonly ConnectResult[],
  agentOf: (n: number) => FleetAgent,
  finding: Finding | undefined,
): string[] {
  const bound = parts
    .map((part, n) => ({ agent: agentOf(n), atMs: firstFailureMs(part), established: part.established }))
    .filter(({ agent }) => agent.finding !== undefined)
    .sort((a, b) => a.atMs - b.atMs);
  const [first] = bound;
  if (!first || parts.length < 2) return [];
  const isCommon = parts.every((_, n) => finding && isOf(finding, agentOf(n)));
  if (isCommon && finding!.whose !== "local") return [];
  const later = bound.slice(1).map(({ agent }) => agent.name);
  const others = later.length > 0 ? `; ${listed(later)} later` : "; the other agents met none";
  return [
    `agent ${first.agent.name} met its limit first, at ${formatCount(first.established)} connections: ${first.agent.finding}${others}`,
  ];
}

/** Whether an agent has met the limit of a finding, at whatever number. */
function isOf({ limit }: Finding, { finding }: FleetAgent): boolean {
  return finding?.startsWith(wordsOf({ limit, meaning: "" })) ?? false;
}

function firstFailureMs({ startedAt, samples }: ConnectResult): number {
  const first = samples.find(({ failed }) => failed > 0) ?? samples.at(-1);
  return Date.parse(startedAt) + (first?.elapsedMs ?? 0);
}

function bottleneck(parts: readonly ConnectResult[], agentOf: (n: number) => FleetAgent): string[] {
  const busy = parts.flatMap(({ rampMs, rampShares }, n) =>
    rampMs >= SHORTEST_RAMP_MS && rampShares !== undefined && rampShares.cpu >= BUSY
      ? [`${agentOf(n).name} for ${Math.round(rampShares.cpu * 100)}%`]
      : [],
  );
  if (busy.length === 0) return [];
  return [
    `the generator was the bottleneck: the CPU limited ${listed(busy)} of the ramp, so the rate says nothing about the server`,
  ];
}

/** Returns a finding in the words in which a result has that of an agent. */
export function wordsOf({ limit, meaning }: Pick<Finding, "limit" | "meaning">): string {
  return `${limit}: ${meaning}`;
}

function listed(words: readonly string[]): string {
  const omitted = words.length - MOST_LISTED;
  return omitted > 1 ? `${words.slice(0, MOST_LISTED).join(", ")} and ${formatCount(omitted)} more` : words.join(", ");
}
