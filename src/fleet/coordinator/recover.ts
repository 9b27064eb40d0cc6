// What a run stores before it starts, so that its result can be put together if the coordinator dies.
import type { ConnectResult } from "../../results/connect.js";
import type { Explained } from "../../results/diagnosis.js";
import { parsePart } from "../messages.js";
import { KEYS, type RunStore } from "../store.js";
import type { Member } from "./member.js";
import { type FleetFacts, fleetResult, type Outcome, readPart } from "./result.js";

/** A run's facts, and its agents as if all of them had been lost. */
interface KeptPlan {
  readonly facts: FleetFacts;
  readonly startedAt: string;
  readonly outcomes: readonly Outcome[];
}

const UNFINISHED = "it delivered no result";

export function keptPlan(facts: FleetFacts, startedAt: string, members: readonly Member[]): KeptPlan {
  const { spec } = facts;
  const outcomes = members.map((member) => member.outcome());
  return {
    facts: { ...facts, spec: { connections: spec.connections, thresholds: spec.thresholds }, wasStopped: true },
    startedAt,
    outcomes,
  };
}

/**
 * Puts the result of a run together from the parts that its agents stored.
 * @returns undefined if the run is unknown, or no agent has stored its part
 */
export async function recoverResult(store: RunStore, run: string): Promise<Explained<ConnectResult> | undefined> {
  // Written by a coordinator of the same version, and read with the same permissions.
  const plan = (await store.get(KEYS.plan(run))) as KeptPlan | undefined;
  if (plan === undefined) return undefined;
  const outcomes = await Promise.all(
    plan.outcomes.map(async (outcome): Promise<Outcome> => {
      if (outcome.state === "left-out") return outcome;
      const part = parsePart(await store.get(KEYS.part(run, outcome.agent.id)));
      const result = part && readPart(part, outcome.agent.name);
      if (result) return { ...outcome, result, state: "ended", reason: part.reason };
      return { ...outcome, state: part?.failure ? "failed" : "lost", reason: part?.failure?.message ?? UNFINISHED };
    }),
  );
  return fleetResult(plan.facts, outcomes);
}
