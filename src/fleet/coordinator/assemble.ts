// From a list of agents to members that are ready to start: ceilings, the deal, and the barrier that all of them pass
// within a deadline.

import type { RunSpec } from "../../planning/run-spec.js";
import { AppError } from "../../util/errors.js";
import type { Bus } from "../bus.js";
import { type Announcement, parsePrepared, type Timing } from "../messages.js";
import type { OnLost } from "../options.js";
import { failureIn } from "../refusals.js";
import type { ServerSpec } from "../server-spec.js";
import { Barrier } from "./barrier.js";
import type { ClockOffset } from "./clock.js";
import { AddressPool } from "./dealing/address-pool.js";
import { type Candidate, type Dealt, deal, dealLimit, dealPorts } from "./dealing/deal.js";
import { assertDisjoint } from "./dealing/packet.js";
import { divideShared } from "./dealing/pools.js";
import { Member } from "./member.js";
import { askAll, toOneError, UNREADABLE } from "./refusal.js";
import { CLIENT_ROLE } from "./roles/client.js";
import type { ClientKind, Kind, ServerKind } from "./roles/kind.js";
import type { FleetRole } from "./roles/role.js";
import { SERVER_ROLE } from "./roles/server.js";
import type { Survey } from "./survey.js";

export const READY_MS = 10_000;

/** What is known about the run before any agent has prepared it. */
export interface FleetPlan<K extends Kind = ClientKind> {
  readonly role: FleetRole<K>;
  readonly run: string;
  readonly version: string;
  readonly spec: K["spec"];
  readonly onLost: OnLost;
  readonly timing: Timing;
  readonly dealt: readonly Dealt[];
  readonly clocks: ReadonlyMap<string, ClockOffset>;
}

/** What a survey of the agents yields for a plan. */
export type Deal<K extends Kind = ClientKind> = Pick<FleetPlan<K>, "role" | "dealt" | "clocks">;

/**
 * Asks each agent how much of a load it can hold, and deals the connections.
 * @throws {AppError} one error for the refusals of agents; E_FLEET if one is silent, or the fleet cannot hold the load
 */
export async function dealFleet(survey: Survey, agents: readonly Announcement[], spec: RunSpec): Promise<Deal> {
  const alone = await survey.ceilings(agents, () => spec);
  const present = agents.filter(({ id }) => alone.has(id));
  assertDisjoint(present, alone);
  const ports = dealPorts(
    present.map(({ id, place }) => ({ place, sources: alone.get(id)!.sources })),
    spec,
  );
  const portsOf = new Map(present.map(({ id }, n) => [id, ports[n]]));
  // Only an agent that shares its addresses has other ports than the run.
  const sharing = present.filter(({ id }) => portsOf.get(id) !== spec.sourcePorts);
  const shared = await survey.ceilings(sharing, ({ id }) => ({ ...spec, sourcePorts: portsOf.get(id) }));
  const clocks = await survey.clocks(present);
  const candidates = present.flatMap((agent): Candidate[] => {
    const { id } = agent;
    const ceiling = sharing.includes(agent) ? shared.get(id) : alone.get(id);
    return ceiling && clocks.has(id) ? [{ agent, sourcePorts: portsOf.get(id), ceiling }] : [];
  });
  return { role: CLIENT_ROLE, dealt: deal(divideShared(candidates), spec), clocks };
}

/**
 * Asks each agent how many connections it can hold as a server, and divides the most that the fleet may hold, if there
 * is a limit.
 *
 * @throws {AppError} as dealFleet()
 */
export async function dealServers(
  survey: Survey,
  agents: readonly Announcement[],
  spec: ServerSpec,
): Promise<Deal<ServerKind>> {
  const ceilings = await survey.ceilings(agents, () => spec);
  assertDisjoint(agents, ceilings);
  const clocks = await survey.clocks(agents.filter(({ id }) => ceilings.has(id)));
  const candidates = agents.flatMap((agent): Candidate[] => {
    const ceiling = ceilings.get(agent.id);
    return ceiling && clocks.has(agent.id) ? [{ agent, sourcePorts: undefined, ceiling }] : [];
  });
  return { role: SERVER_ROLE, dealt: dealLimit(divideShared(candidates), spec.maxConnections), clocks };
}

/**
 * Makes all agents ready. One that is late is left out, replaced, or ends the run, as `onLost` says.
 *
 * @returns all members, also those left out
 * @throws {AppError} one error for the refusals of agents; E_FLEET if an agent is late and the run must not go on
 *   without it
 */
export async function prepareFleet<K extends Kind>(
  bus: Bus,
  plan: FleetPlan<K>,
  deadlineMs = READY_MS,
): Promise<Member<K>[]> {
  const { role, spec, onLost } = plan;
  const leftOut: Member<K>[] = [];
  let { dealt } = plan;
  for (;;) {
    const total = role.requested(spec) ?? 0;
    // A load in progress does not give addresses away, so those of later loads are set aside.
    const pools = dealt.map(({ ceiling }) => (onLost === "redeal" ? AddressPool.of(ceiling, total) : undefined));
    const shares = dealt.map((each, n) => ({
      ...each,
      sources: pools[n]?.take(each.connections),
      clockOffsetMs: plan.clocks.get(each.agent.id)!.offsetMs,
    }));
    const specs = role.slice(spec, shares);
    const members = dealt.map((each, n) => new Member<K>(each, plan.clocks.get(each.agent.id)!, specs[n]!, pools[n]));
    const barrier = new Barrier(bus, plan.run, plan.timing);
    const reasons = await askAll(members, (member) => prepare(barrier, plan, member, deadlineMs)).finally(() =>
      barrier.end(),
    );
    const late = members.filter((_, n) => reasons[n] !== undefined);
    if (late.length === 0) return [...members, ...leftOut];
    if (onLost === "abort" || late.length === members.length) {
      const fix = "look at its log; --on-lost continue or redeal runs without it";
      const errorOf = (member: Member<K>) => new AppError("E_FLEET", reasons[members.indexOf(member)]!, { fix });
      throw toOneError(late.map((member) => ({ agent: member.name, error: errorOf(member) })));
    }
    for (const member of late) member.lose("left-out", reasons[members.indexOf(member)]!);
    if (onLost === "continue") return [...members, ...leftOut];
    leftOut.push(...late);
    dealt = role.dealAnew(
      spec,
      dealt.filter((_, n) => reasons[n] === undefined),
      late,
    );
  }
}

/** @returns why the agent is not ready in time, or refuses; undefined if it is ready */
async function prepare<K extends Kind>(
  barrier: Barrier,
  { role, run, version, timing, spec }: FleetPlan<K>,
  member: Member<K>,
  deadlineMs: number,
): Promise<string | undefined | AppError> {
  const total = role.requested(spec) ?? 0;
  const request = { ask: "prepare", run, version, spec: member.spec, total, timing };
  const { answer, reason } = await barrier.ask(member.id, request, deadlineMs);
  const refusal = failureIn(answer);
  if (refusal) return refusal;
  const prepared = parsePrepared(answer);
  member.address = prepared?.address;
  return prepared === undefined ? (reason ?? UNREADABLE) : undefined;
}
