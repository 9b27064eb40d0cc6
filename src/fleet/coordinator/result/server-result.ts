// Makes one result from the parts of agents that served: counters are added, and times moved to the coordinator's clock.
import { explained } from "../../../diagnosis/explain.js";
import type { Explained } from "../../../results/diagnosis.js";
import type { FleetServer, ServerFleetReport } from "../../../results/fleet/servers.js";
import { mergeServe } from "../../../results/merge/serve.js";
import type { ServeResult } from "../../../results/serve.js";
import { countServersOncePerPlace } from "../../sums/kernel-counts.js";
import type { ServerKind } from "../roles/kind.js";
import { serverAbsence } from "./notes.js";
import { agentFieldsOf, type FleetFacts, type Outcome, onOurClock } from "./outcome.js";

/** @returns the result; undefined if no agent has delivered its part */
export function serverFleetResult(
  { run, onLost }: FleetFacts<ServerKind>,
  outcomes: readonly Outcome<ServerKind>[],
): Explained<ServeResult> | undefined {
  const ended = outcomes.filter(({ result, state }) => result !== undefined && state === "ended");
  if (ended.length === 0) return undefined;
  const agents = outcomes.map(describe);
  const fleet: ServerFleetReport = { run, onLost, isPartial: agents.some(({ state }) => state !== "ended"), agents };
  const parts = countServersOncePerPlace(
    ended.map(({ result, clock }) => onOurClock(result!, clock)),
    ended.map(({ agent }) => agent.place),
  );
  const whole = explained({ ...parts.reduce(mergeServe), fleet });
  const absent = agents.filter(({ state }) => state !== "ended").map(serverAbsence);
  const notes = [...absent, ...whole.diagnosis.notes];
  return { ...whole, diagnosis: { ...whole.diagnosis, notes } };
}

function describe(outcome: Outcome<ServerKind>): FleetServer {
  const { address, state, last, result } = outcome;
  const own = state === "ended" ? result : undefined;
  return {
    ...agentFieldsOf(outcome),
    address,
    accepted: own?.accepted ?? last?.accepted ?? 0,
    peakOpen: own?.peakOpen ?? last?.peakOpen ?? 0,
    openAtStop: own?.openAtStop ?? last?.open ?? 0,
    rejected: own?.rejected ?? last?.rejected ?? 0,
    failures: own?.failures ?? [],
  };
}
