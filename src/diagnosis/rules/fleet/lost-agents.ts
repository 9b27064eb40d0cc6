// Explains runs of a fleet that ended early, or lack connections, because agents were lost.
import { outcomeOf } from "../../../client/verdict/verdict.js";
import type { ConnectResult } from "../../../results/connect.js";
import type { Finding } from "../../../results/diagnosis.js";
import { formatCount, plural } from "../../../util/units.js";

const AGENTS_SHOWN = 4;

const FIXES = {
  abort: "with --on-lost continue or redeal, a run goes on without lost agents",
  continue: "with --on-lost redeal, other agents open the connections of lost ones",
  redeal: "more agents, or addresses, leave more room for the connections of lost ones",
} as const;

/**
 * @param failed number of connections that the most frequent failure ended; it explains the run if they are more
 * @returns undefined if no agent was lost, or others took over its connections
 */
export function explainLostAgents(result: ConnectResult, failed: number): Finding | undefined {
  const { fleet, requested } = result;
  const absent = fleet?.agents.filter(({ state }) => state !== "ended") ?? [];
  const [first] = absent;
  if (!fleet || !first || fleet.missing === 0 || fleet.missing < failed) return undefined;
  const isInterrupted = outcomeOf(result) === "interrupted";
  // An agent that was lost later did not end the run: somebody else had stopped it.
  if (isInterrupted && absent.every(({ lostAt }) => lostAt !== undefined && Date.parse(lostAt) > endOf(result))) {
    return undefined;
  }
  const endedRun = isInterrupted && fleet.onLost === "abort";
  const who = absent.length === 1 ? `agent ${first.name}` : plural(absent.length, "agent");
  const lost = absent.length === 1 ? "was lost" : "were lost";
  const what = absent.every(({ state }) => state === "failed") ? "failed" : lost;
  const consequence = endedRun
    ? "which ended the run"
    : `with ${formatCount(fleet.missing)} of ${plural(requested, "connection")}`;
  const shown = absent.slice(0, AGENTS_SHOWN).map(({ name, reason, untaken }) => {
    const others = untaken === undefined ? "" : `; not taken over: ${untaken}`;
    return `agent ${name}: ${reason}${others}`;
  });
  const omitted = absent.length - AGENTS_SHOWN;
  return {
    limit: "agent",
    whose: "local",
    meaning: `${who} ${what}, ${consequence}`,
    fix: `look at the log of ${absent.length === 1 ? `agent ${first.name}` : "each of them"}; ${FIXES[fleet.onLost]}`,
    evidence: omitted > 0 ? [...shown, `and ${plural(omitted, "more agent")}`] : shown,
  };
}

/** Returns when the run began to close its connections. */
function endOf({ startedAt, setupMs, rampMs, holdMs }: ConnectResult): number {
  return Date.parse(startedAt) + setupMs + rampMs + holdMs;
}
