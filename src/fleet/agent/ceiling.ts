// An agent's own ceiling: how many connections of a load this host can hold, and which limit says so.
import { predictCapacity } from "../../capacity/predict.js";
import type { RunSpec } from "../../planning/run-spec.js";
import { type TuplePlan, TupleSequence } from "../../planning/tuple-plan.js";
import type { LimitRow } from "../../results/limits.js";
import { formatIp, isLoopback, parseIp } from "../../util/address.js";
import { formatEndpoint } from "../../util/endpoint.js";
import { type Ceiling, MOST_ADDRESSES } from "../messages.js";

/** Limits on the 4-tuples towards a single destination. */
const PER_DESTINATION = ["source-ports", "ip-local-port-range"];

type Bounded = Pick<LimitRow, "name" | "caps"> & { readonly allows: number };

/** @param plan the 4-tuples of the load on this host */
export async function predictCeiling(spec: RunSpec, plan: TuplePlan): Promise<Ceiling> {
  const destinations = plan.groups.flatMap((group) => group.destinations);
  const [first] = destinations;
  const { limits } = await predictCapacity({
    role: "client",
    program: "fourtuple",
    measure: false,
    target: first && formatEndpoint(formatIp(first.ip), first.port),
    connections: spec.connections,
    sources: spec.sources?.map(({ first, count }) => ({ first: parseIp(first), count })),
    sourcePorts: spec.sourcePorts,
    engine: spec.engine,
  });
  const isOne = destinations.length === 1;
  // The limits of a server on this host apply to the whole fleet, and a run shows them.
  const bounded: Bounded[] = limits.flatMap(({ id, name, caps, side, allows }) =>
    side !== "server" && typeof allows === "number" && (isOne || !PER_DESTINATION.includes(id))
      ? [{ name, caps, allows }]
      : [],
  );
  if (!isOne) bounded.push(tuplesOf(plan));
  const binding = bounded.sort((a, b) => a.allows - b.allows)[0];
  const addresses = plan.groups[0]?.sources.reduce((sum, { count }) => sum + count, 0) ?? 0;
  const firsts = plan.groups.flatMap(({ sources }) => sources.map(({ first }) => first));
  const sources = firsts
    .filter((ip) => !isLoopback(ip))
    .map(formatIp)
    .slice(0, MOST_ADDRESSES);
  if (!binding) return { connections: MOST, addresses, sources };
  const connections = Math.min(MOST, Math.floor(binding.allows));
  return { connections, limit: binding.name, caps: binding.caps, addresses, sources };
}

/** More connections than any command line can ask for. */
const MOST = 2 ** 31 - 1;

function tuplesOf(plan: TuplePlan): Bounded {
  const { count } = new TupleSequence(plan);
  return { name: "source addresses × ports × destinations", caps: "source-ports", allows: count };
}
