// Deals a run's connections to agents: exact shares by ceiling, and source ports of their own for agents that share
// addresses.
import type { RunSpec } from "../../../planning/run-spec.js";
import { UNPRIVILEGED_PORTS } from "../../../planning/source-ports.js";
import type { PortRange } from "../../../util/endpoint.js";
import { AppError } from "../../../util/errors.js";
import { exactShare, sum, weightedShares } from "../../../util/share.js";
import { formatCount, plural } from "../../../util/units.js";
import type { Announcement, Ceiling } from "../../messages.js";
import type { Share } from "./slice.js";

/** An agent with its ceiling for the load. */
export interface Candidate {
  readonly agent: Announcement;
  readonly ceiling: Ceiling;
  readonly sourcePorts: Share["sourcePorts"];
  /** Whether the ceiling is a part of a limit that other agents share. */
  readonly isLimitShared?: boolean;
}

/** A candidate with a share. */
export interface Dealt extends Candidate {
  readonly connections: number;
}

/** Where an agent's connections come from. */
export interface Origin {
  /** Identifies the network namespace. */
  readonly place: string;
  /** Source addresses of the load. Others, such as those of a container bridge, are the same on many hosts. */
  readonly sources?: readonly string[] | undefined;
}

/**
 * Divides the source ports among agents that share addresses: those in the same network namespace, or with a source
 * address in common, as behind NAT. Otherwise two of them would use the same 4-tuples.
 *
 * @throws {AppError} E_OPTION if the given range has too few ports
 */
export function dealPorts(agents: readonly Origin[], { sourcePorts, transport }: RunSpec): Share["sourcePorts"][] {
  // Without kernel sockets, each agent has addresses of its own.
  if (sourcePorts === "kernel" || transport === "packet") return agents.map(() => sourcePorts);
  const groups = groupByAddress(agents);
  return agents.map((agent) => {
    const group = groups.find((each) => each.includes(agent))!;
    if (group.length === 1) return sourcePorts;
    return partOf(sourcePorts ?? UNPRIVILEGED_PORTS, group.length, group.indexOf(agent));
  });
}

function partOf({ first, last }: PortRange, parts: number, index: number): PortRange {
  const count = last - first + 1;
  if (count < parts) {
    throw new AppError(
      "E_OPTION",
      `${plural(parts, "agent")} share addresses, and ${plural(count, "source port")} cannot be divided among them`,
      {
        fix: "use a wider --source-port range, or fewer agents on one host",
      },
    );
  }
  let from = first;
  for (let before = 0; before < index; before++) from += exactShare(count, parts, before);
  return { first: from, last: from + exactShare(count, parts, index) - 1 };
}

function groupByAddress(agents: readonly Origin[]): Origin[][] {
  const groups: Origin[][] = [];
  for (const agent of agents) {
    const related = groups.filter((group) => group.some((other) => sharesAddress(agent, other)));
    for (const group of related) groups.splice(groups.indexOf(group), 1);
    groups.push([...related.flat(), agent]);
  }
  return groups;
}

function sharesAddress({ place, sources = [] }: Origin, other: Origin): boolean {
  return place === other.place || sources.some((address) => other.sources?.includes(address));
}

/**
 * Deals the connections in proportion to the ceilings. Agents without a share are left out.
 * @throws {AppError} E_FLEET if the fleet cannot hold them, naming what would help
 */
export function deal(candidates: readonly Candidate[], { connections, requests }: RunSpec): Dealt[] {
  const able = candidates.filter(({ ceiling }) => ceiling.connections > 0);
  const room = able.reduce((sum, { ceiling }) => sum + ceiling.connections, 0);
  if (room < connections) throw cannotHold(candidates, connections, room);
  // Each agent needs at least one connection, and one message if their number is limited.
  const most = Math.min(connections, requests ?? connections);
  const chosen = able.toSorted((a, b) => b.ceiling.connections - a.ceiling.connections).slice(0, most);
  const shares = weightedShares(
    connections,
    chosen.map(({ ceiling }) => ceiling.connections),
  );
  return chosen
    .map((candidate, n) => ({ ...candidate, connections: shares[n]! }))
    .filter(({ connections: share }) => share > 0)
    .sort((a, b) => (a.agent.name < b.agent.name ? -1 : 1));
}

/**
 * Divides the most connections that a fleet of servers may hold in proportion to the ceilings. Agents without a share
 * are left out.
 *
 * @param most undefined if there is no limit, and so no shares
 * @throws {AppError} E_FLEET if none of them can hold any
 */
export function dealLimit(candidates: readonly Candidate[], most: number | undefined): Dealt[] {
  if (most === undefined) return candidates.map((candidate) => ({ ...candidate, connections: 0 }));
  const ceilings = candidates.map(({ ceiling }) => ceiling.connections);
  if (sum(ceilings) === 0) throw cannotHold(candidates, most, 0);
  const shares = weightedShares(most, ceilings);
  return candidates
    .map((candidate, n) => ({ ...candidate, connections: shares[n]! }))
    .filter(({ connections }) => connections > 0);
}

function cannotHold(candidates: readonly Candidate[], wanted: number, room: number): AppError {
  const told = candidates.map(({ agent, ceiling: { connections, limit } }) => {
    const why = limit === undefined ? "" : ` (${limit})`;
    return `${agent.name} ${formatCount(connections)}${why}`;
  });
  const fixes = [moreAgents(candidates, wanted - room, room), moreAddresses(candidates, wanted - room)];
  return new AppError(
    "E_FLEET",
    `the fleet can hold ${formatCount(room)} of ${formatCount(wanted)} connections: ${told.join(", ")}`,
    { fix: fixes.filter((fix) => fix !== undefined).join(", or "), facts: { room, wanted } },
  );
}

function moreAgents(candidates: readonly Candidate[], missing: number, room: number): string | undefined {
  if (room === 0) return "raise the agents' limits: fourtuple doctor on each shows how";
  const hosts = new Set(candidates.map(({ agent }) => agent.host || agent.id)).size;
  if (candidates.some(({ isLimitShared }) => isLimitShared)) {
    return `start ${plural(Math.ceil(missing / (room / hosts)), "more agent")} on other machines`;
  }
  return `start ${plural(Math.ceil(missing / (room / candidates.length)), "more agent")}`;
}

/** Suggests addresses for the agent that needs the fewest, if source ports are its limit. */
function moreAddresses(candidates: readonly Candidate[], missing: number): string | undefined {
  const [best] = candidates
    .filter(({ ceiling }) => ceiling.caps === "source-ports" && ceiling.addresses > 0 && ceiling.connections > 0)
    .map(({ agent, ceiling }) => ({
      name: agent.name,
      count: Math.ceil(missing / (ceiling.connections / ceiling.addresses)),
    }))
    .sort((a, b) => a.count - b.count);
  return best && `give agent ${best.name} ${plural(best.count, "more address", "more addresses")}`;
}
