// From a list of agents to members that are ready to start: ceilings, the deal, and the barrier that all of them pass
// within a deadline.

import type { RunSpec } from "../../planning/run-spec.js";
import { AppError } from "../../util/errors.js";
import { type Bus, SUBJECTS } from "../bus.js";
import { withoutContents } from "../contents.js";
import { type Announcement, type Ceiling, failureIn, parseCeiling, parsePrepared, type Timing } from "../messages.js";
import type { OnLost } from "../options.js";
import type { ServerSpec } from "../server-spec.js";
import { Barrier } from "./barrier.js";
import { type ClockOffset, measureClocks } from "./clock.js";
import { type Dealt, deal, dealLimit, dealPorts } from "./dealing/deal.js";
import { divideShared } from "./dealing/pools.js";
import { Member } from "./member.js";
import { askAll, toOneError } from "./refusal.js";
import { CLIENT_ROLE } from "./roles/client.js";
import type { ClientKind, Kind, ServerKind } from "./roles/kind.js";
import type { FleetRole } from "./roles/role.js";
import { SERVER_ROLE } from "./roles/server.js";

/** An agent reads its kernel's tables to predict its ceiling, which takes a while if they are large. */
const CEILING_MS = 20_000;
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

/**
 * Asks each agent how much of a load it can hold, and deals the connections.
 * @throws {AppError} one error for the refusals of agents; E_FLEET if one does not answer, or the fleet cannot hold the
 *   load
 */
export async function dealFleet(
  bus: Bus,
  agents: readonly Announcement[],
  spec: RunSpec,
): Promise<Pick<FleetPlan, "role" | "dealt" | "clocks">> {
  const alone = await askAll(agents, (agent) => askCeiling(bus, agent, spec));
  const ports = dealPorts(
    agents.map(({ place }, n) => ({ place, sources: alone[n]!.sources })),
    spec,
  );
  const ceilings = await askAll(agents, async (agent) => {
    const n = agents.indexOf(agent);
    const sourcePorts = ports[n];
    // Only an agent that shares its addresses has other ports than the run.
    return sourcePorts === spec.sourcePorts ? alone[n]! : askCeiling(bus, agent, { ...spec, sourcePorts });
  });
  const candidates = agents.map((agent, n) => ({ agent, sourcePorts: ports[n], ceiling: ceilings[n]! }));
  const clocks = await clocksOf(bus, agents);
  return { role: CLIENT_ROLE, dealt: deal(divideShared(candidates), spec), clocks };
}

/**
 * Asks each agent how many connections it can hold as a server, and divides the most that the fleet may hold, if there
 * is a limit.
 *
 * @throws {AppError} as dealFleet()
 */
export async function dealServers(
  bus: Bus,
  agents: readonly Announcement[],
  spec: ServerSpec,
): Promise<Pick<FleetPlan<ServerKind>, "role" | "dealt" | "clocks">> {
  const ceilings = await askAll(agents, (agent) => askCeiling(bus, agent, spec));
  const candidates = agents.map((agent, n) => ({ agent, sourcePorts: undefined, ceiling: ceilings[n]! }));
  const clocks = await clocksOf(bus, agents);
  return { role: SERVER_ROLE, dealt: dealLimit(divideShared(candidates), spec.maxConnections), clocks };
}

/** @returns the ceiling, or why there is none */
async function askCeiling(bus: Bus, agent: Announcement, spec: RunSpec | ServerSpec): Promise<Ceiling | AppError> {
  const answer = await bus.request(
    SUBJECTS.agent(agent.id),
    { ask: "ceiling", spec: withoutContents(spec) },
    CEILING_MS,
  );
  return failureIn(answer) ?? parseCeiling(answer) ?? noAnswer();
}

/** @throws {AppError} E_FLEET if an agent does not answer */
async function clocksOf(bus: Bus, agents: readonly Announcement[]): Promise<Map<string, ClockOffset>> {
  const clocks = await measureClocks(
    bus,
    agents.map(({ id }) => id),
  );
  await askAll(agents, async ({ id }) => clocks.get(id) ?? noAnswer());
  return clocks;
}

function noAnswer(): AppError {
  return new AppError("E_FLEET", "no answer any more", { fix: "run it again" });
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
    const specs = role.slice(spec, dealt);
    const members = dealt.map((each, n) => new Member<K>(each, plan.clocks.get(each.agent.id)!, specs[n]!));
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
  return prepared === undefined ? (reason ?? "its answer cannot be read") : undefined;
}
