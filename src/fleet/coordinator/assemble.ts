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
import { type Candidate, type Dealt, deal, dealLimit, dealPorts } from "./dealing/deal.js";
import { divideShared } from "./dealing/pools.js";
import { Member } from "./member.js";
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
 * @throws {AppError} the refusal of an agent; E_FLEET if one does not answer, or the fleet cannot hold the load
 */
export async function dealFleet(
  bus: Bus,
  agents: readonly Announcement[],
  spec: RunSpec,
): Promise<Pick<FleetPlan, "role" | "dealt" | "clocks">> {
  const alone = await Promise.all(agents.map((agent) => askCeiling(bus, agent, spec)));
  const ports = dealPorts(
    agents.map(({ place }, n) => ({ place, sources: alone[n]!.sources })),
    spec,
  );
  const candidates = await Promise.all(
    agents.map(async (agent, n): Promise<Candidate> => {
      const sourcePorts = ports[n];
      // Only an agent that shares its addresses has other ports than the run.
      const isAlone = sourcePorts === spec.sourcePorts;
      const ceiling = isAlone ? alone[n]! : await askCeiling(bus, agent, { ...spec, sourcePorts });
      return { agent, sourcePorts, ceiling };
    }),
  );
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
  const candidates = await Promise.all(
    agents.map(
      async (agent): Promise<Candidate> => ({
        agent,
        sourcePorts: undefined,
        ceiling: await askCeiling(bus, agent, spec),
      }),
    ),
  );
  const clocks = await clocksOf(bus, agents);
  return { role: SERVER_ROLE, dealt: dealLimit(divideShared(candidates), spec.maxConnections), clocks };
}

/** @throws {AppError} the agent's refusal; E_FLEET if it does not answer */
async function askCeiling(bus: Bus, agent: Announcement, spec: RunSpec | ServerSpec): Promise<Ceiling> {
  const answer = await bus.request(
    SUBJECTS.agent(agent.id),
    { ask: "ceiling", spec: withoutContents(spec) },
    CEILING_MS,
  );
  const refusal = failureIn(answer, agent.name);
  if (refusal) throw refusal;
  const ceiling = parseCeiling(answer);
  if (!ceiling) throw noAnswer(agent);
  return ceiling;
}

/** @throws {AppError} E_FLEET if an agent does not answer */
async function clocksOf(bus: Bus, agents: readonly Announcement[]): Promise<Map<string, ClockOffset>> {
  const clocks = await measureClocks(
    bus,
    agents.map(({ id }) => id),
  );
  for (const agent of agents) if (!clocks.has(agent.id)) throw noAnswer(agent);
  return clocks;
}

function noAnswer({ name }: Announcement): AppError {
  return new AppError("E_FLEET", `agent ${name} does not answer any more`, { fix: "run it again" });
}

/**
 * Makes all agents ready. One that is late is left out, replaced, or ends the run, as `onLost` says.
 *
 * @returns all members, also those left out
 * @throws {AppError} the refusal of an agent; E_FLEET if an agent is late and the run must not go on without it
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
    const reasons = await Promise.all(members.map((member) => prepare(barrier, plan, member, deadlineMs))).finally(() =>
      barrier.end(),
    );
    const late = members.filter((_, n) => reasons[n] !== undefined);
    if (late.length === 0) return [...members, ...leftOut];
    if (onLost === "abort" || late.length === members.length) {
      const words = late.map((member) => `agent ${member.name}: ${reasons[members.indexOf(member)]}`);
      throw new AppError("E_FLEET", words.join("; "), {
        fix: "look at its log; --on-lost continue or redeal runs without it",
      });
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

/** @returns why the agent is not ready in time; undefined if it is */
async function prepare<K extends Kind>(
  barrier: Barrier,
  { role, run, version, timing, spec }: FleetPlan<K>,
  member: Member<K>,
  deadlineMs: number,
): Promise<string | undefined> {
  const total = role.requested(spec) ?? 0;
  const request = { ask: "prepare", run, version, spec: member.spec, total, timing };
  const { answer, reason } = await barrier.ask(member.id, request, deadlineMs);
  const refusal = failureIn(answer, member.name);
  if (refusal) throw refusal;
  const prepared = parsePrepared(answer);
  member.address = prepared?.address;
  return prepared === undefined ? (reason ?? "its answer cannot be read") : undefined;
}
