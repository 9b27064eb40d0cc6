// What a run stores before it starts, so that its result can be put together if the coordinator dies.
import type { ConnectResult } from "../../../results/connect.js";
import type { Explained } from "../../../results/diagnosis.js";
import type { ServeResult } from "../../../results/serve.js";
import { AppError } from "../../../util/errors.js";
import { parsePart } from "../../messages.js";
import { KEYS, type RunStore } from "../../store.js";
import type { Member } from "../member.js";
import { toOneError } from "../refusal.js";
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
  return { role, facts, startedAt, outcomes };
}

/**
 * Puts the result of a run together from the parts that its agents stored. An agent whose part cannot be read counts as
 * failed, and the others are merged.
 *
 * @returns undefined if the run is unknown
 * @throws {AppError} E_FLEET if what is known about the run cannot be read, or there is no part to merge
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
): Promise<Explained<K["result"]>> {
  const ended = await Promise.all(outcomes.map((outcome) => withPart(store, role, facts.run, outcome)));
  const result = role.result(facts, ended);
  if (result) return result;
  const errorOf = (reason = UNFINISHED) =>
    new AppError("E_FLEET", reason, { fix: "look at the agents' output: nothing of this run can be merged" });
  throw toOneError(ended.map(({ agent, reason }) => ({ agent: agent.name, error: errorOf(reason) })));
}

/** Completes what was known about an agent with the part that it stored. */
async function withPart<K extends Kind>(
  store: RunStore,
  { kind }: FleetRole<K>,
  run: string,
  outcome: Outcome<K>,
): Promise<Outcome<K>> {
  // Others have its connections.
  if (outcome.state === "left-out" || outcome.takenOver > 0) return outcome;
  try {
    const key = KEYS.part(run, outcome.agent.id);
    const stored = await store.get(key);
    if (stored === undefined) return { ...outcome, state: "lost", reason: UNFINISHED };
    const part = parsePart(stored);
    if (!part) throw new AppError("E_FLEET", `${key} is not an agent's part of a run`);
    const result = readPart<K>(part, kind, outcome.agent.name);
    if (result) return { ...outcome, result, state: "ended", reason: part.reason };
    if (part.failure) return { ...outcome, state: "failed", reason: part.failure.message };
    return { ...outcome, state: "lost", reason: part.reason ?? UNFINISHED };
  } catch (error) {
    return { ...outcome, state: "failed", reason: (error as Error).message };
  }
}
