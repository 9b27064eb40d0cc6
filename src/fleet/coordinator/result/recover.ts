// What a run stores before it starts, so that its result can be put together if the coordinator dies.
import type { ConnectResult } from "../../../results/connect.js";
import type { Explained } from "../../../results/diagnosis.js";
import type { ServeResult } from "../../../results/serve.js";
import { parsePart } from "../../messages.js";
import { KEYS, type RunStore } from "../../store.js";
import type { Member } from "../member.js";
import { CLIENT_ROLE } from "../roles/client.js";
import type { ClientKind, Kind, ServerKind } from "../roles/kind.js";
import type { FleetRole } from "../roles/role.js";
import { SERVER_ROLE } from "../roles/server.js";
import { type FleetFacts, type Outcome, readPart } from "./outcome.js";

/** A run's facts, and its agents as if all of them had been lost. */
interface KeptPlan<K extends Kind> {
  readonly role: FleetRole<K>["kind"];
  readonly facts: FleetFacts<K>;
  readonly startedAt: string;
  readonly outcomes: readonly Outcome<K>[];
}

const UNFINISHED = "it delivered no result";

export function keptPlan<K extends Kind>(
  role: FleetRole<K>["kind"],
  facts: FleetFacts<K>,
  startedAt: string,
  members: readonly Member<K>[],
): KeptPlan<K> {
  const outcomes = members.map((member) => member.outcome());
  return { role, facts: { ...facts, wasStopped: true }, startedAt, outcomes };
}

/**
 * Puts the result of a run together from the parts that its agents stored.
 * @returns undefined if the run is unknown, or no agent has stored its part
 */
export async function recoverResult(
  store: RunStore,
  run: string,
): Promise<Explained<ConnectResult> | Explained<ServeResult> | undefined> {
  // Written by a coordinator of the same version, and read with the same permissions.
  const plan = (await store.get(KEYS.plan(run))) as KeptPlan<ClientKind> | KeptPlan<ServerKind> | undefined;
  if (plan?.role === "serve") return recover(store, SERVER_ROLE, plan as KeptPlan<ServerKind>);
  return plan && recover(store, CLIENT_ROLE, plan as KeptPlan<ClientKind>);
}

async function recover<K extends Kind>(
  store: RunStore,
  role: FleetRole<K>,
  { facts, outcomes }: KeptPlan<K>,
): Promise<Explained<K["result"]> | undefined> {
  const ended = outcomes.map(async (outcome): Promise<Outcome<K>> => {
    // Others have its connections.
    if (outcome.state === "left-out" || outcome.takenOver > 0) return outcome;
    const part = parsePart(await store.get(KEYS.part(facts.run, outcome.agent.id)));
    const result = part && readPart<K>(part, role.kind, outcome.agent.name);
    if (result) return { ...outcome, result, state: "ended", reason: part.reason };
    return { ...outcome, state: part?.failure ? "failed" : "lost", reason: part?.failure?.message ?? UNFINISHED };
  });
  return role.result(facts, await Promise.all(ended));
}
