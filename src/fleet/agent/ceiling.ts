// An agent's own ceiling: how many connections of a load this host can hold, which limit says so, and which limits other
// agents on this host share.
import { createHash } from "node:crypto";
import { predictWithoutServer } from "../../capacity/predict.js";
import { readBootId, readCgroupIdentity, readNetNamespace } from "../../linux/proc/identity.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { portCount, type TuplePlan, TupleSequence } from "../../planning/tuple-plan.js";
import type { LimitRow } from "../../results/limits.js";
import { formatIp, isLoopback, parseIp } from "../../util/address.js";
import { UNLIMITED } from "../../util/bound.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { AppError } from "../../util/errors.js";
import { formatCount } from "../../util/units.js";
import { type Ceiling, MOST_ADDRESSES, type SharedLimit } from "../messages.js";

/** Limits on the 4-tuples towards a single destination. */
const PER_DESTINATION = ["source-ports", "ip-local-port-range"];

/** These are divided among agents that share addresses before each of them predicts its ceiling. */
const PORTS = [...PER_DESTINATION, "ip-local-reserved-ports", "tuples"];

type Bounded = Pick<LimitRow, "id" | "name" | "caps" | "scope"> & { readonly allows: number };

/** @param plan the 4-tuples of the load on this host */
export async function predictCeiling(spec: RunSpec, plan: TuplePlan): Promise<Ceiling> {
  const destinations = plan.groups.flatMap((group) => group.destinations);
  const [first] = destinations;
  const { limits } = await predictWithoutServer({
    role: "client",
    program: "fourtuple",
    measure: false,
    target: first && formatEndpoint(formatIp(first.ip), first.port),
    connections: spec.connections,
    sources: spec.sources?.map(({ first, count }) => ({ first: parseIp(first), count })),
    sourcePorts: spec.sourcePorts,
    engine: spec.engine,
    transport: spec.transport,
  });
  const isOne = destinations.length === 1;
  // The limits of a server on this host apply to the whole fleet, and a run shows them.
  const bounded: Bounded[] = limits.flatMap(({ id, name, caps, scope, side, allows }) =>
    side !== "server" && typeof allows === "number" && (isOne || !PER_DESTINATION.includes(id))
      ? [{ id, name, caps, scope, allows: Math.min(UNLIMITED, Math.floor(allows)) }]
      : [],
  );
  if (!isOne) bounded.push(tuplesOf(plan));
  const [binding] = bounded.sort((a, b) => a.allows - b.allows);
  const addresses = plan.groups[0]?.sources.reduce((sum, { count }) => sum + count, 0) ?? 0;
  const firsts = plan.groups.flatMap(({ sources }) => sources.map(({ first }) => first));
  const sources = firsts
    .filter((ip) => !isLoopback(ip))
    .map(formatIp)
    .slice(0, MOST_ADDRESSES);
  const shared = bounded.flatMap((limit) => sharedLimit(limit, spec));
  const all = { addresses, sources, shared, ...(spec.transport === "packet" && packetAddresses(plan)) };
  if (!binding) return { connections: UNLIMITED, ...all };
  const { allows: connections, name: limit, caps } = binding;
  return { connections, limit, caps, ...all };
}

/**
 * A plan without kernel sockets has one group.
 * @throws {AppError} E_OPTION if the coordinator could not deal all addresses, because a message cannot name them
 */
export function packetAddresses({ groups: [group], ports }: TuplePlan): Pick<Ceiling, "packet" | "tuplesPerAddress"> {
  const { sources, destinations } = group!;
  if (sources.length > MOST_ADDRESSES) {
    const [count, most] = [sources.length, MOST_ADDRESSES].map(formatCount);
    throw new AppError(
      "E_OPTION",
      `the agent's source addresses are ${count} ranges, and a fleet deals up to ${most}`,
      {
        fix: "use blocks rather than single addresses: --packet-ip 10.64.1.0/24",
      },
    );
  }
  return {
    packet: sources.map(({ first, count }) => ({ first: formatIp(first), count })),
    tuplesPerAddress: portCount(ports) * destinations.length,
  };
}

function tuplesOf(plan: TuplePlan): Bounded {
  const { count } = new TupleSequence(plan);
  return {
    id: "tuples",
    name: "source addresses × ports × destinations",
    caps: "source-ports",
    scope: "namespace",
    allows: Math.min(UNLIMITED, count),
  };
}

function sharedLimit({ id, name, caps, scope, allows }: Bounded, { sourcePorts }: RunSpec): SharedLimit[] {
  if (PORTS.includes(id) && sourcePorts !== "kernel") return [];
  const sharers = sharersOf(id, scope);
  return sharers === undefined ? [] : [{ pool: `${id} ${sharers}`, name, caps, allows }];
}

/** Identifies the processes that share a limit; undefined if no other process does, or they are unknown. */
export function sharersOf(id: string, scope: LimitRow["scope"]): string | undefined {
  const host = readBootId();
  // Each process can reach the value of fs.nr_open.
  if (host === undefined || id === "nr-open") return undefined;
  if (scope === "host") return host;
  if (scope === "user") return `${host} ${process.getuid?.()}`;
  if (scope === "namespace") return `${host} ${readNetNamespace()}`;
  // Memberships are long in version 1.
  if (scope === "cgroup") return `${host} ${createHash("sha256").update(`${readCgroupIdentity()}`).digest("hex")}`;
  return undefined;
}
