// Determines a run's 4-tuples on this host, or why there are none.
import type { EndQuery } from "../socket-table/query.js";
import { AppError } from "../util/errors.js";
import { assertAuthorized } from "./authorization.js";
import { readHost } from "./host-readings.js";
import { type PlannedTuples, planTuples } from "./make-plan.js";
import { type NetworkPlan, planNetwork } from "./packet/network.js";
import { assertNoPeers } from "./packet/peers.js";
import { assertTunAllowed, assertUnclaimed } from "./packet/sources.js";
import type { RunSpec } from "./run-spec.js";
import { describeBadSources, describeUnreachable, fixFor } from "./source-text.js";
import { isHopeless, NO_BAD_SOURCES } from "./sources.js";
import type { TuplePlan } from "./tuple-plan.js";

export interface Targets extends Pick<PlannedTuples, "plan" | "names" | "tries" | "endpoints"> {
  /** Whether every destination is local, so that both ends of each connection are on this host. */
  readonly isLocal: boolean;
  /** How packets get to other hosts and back; undefined for kernel sockets. */
  readonly network: NetworkPlan | undefined;
}

/**
 * Reads the host and makes the plan. Connects to no peer.
 *
 * @throws {AppError} E_ADDRESS, E_RESOLVE, E_SOURCE or E_NO_SOURCE when an address is unusable; E_NOT_AUTHORIZED when
 *   many connections would go to another host
 */
export async function findTargets(spec: RunSpec): Promise<Targets> {
  const isPacket = spec.transport === "packet";
  if (isPacket) assertTunAllowed();
  const host = await readHost(spec);
  const { plan, names, tries, foreign, endpoints, unreachable } = planTuples(spec, host);
  assertAuthorized(foreign, spec);
  const { bad, badCount } = host.sources ?? NO_BAD_SOURCES;
  if (bad[0]) throw new AppError("E_SOURCE", describeBadSources(bad, badCount), { fix: fixFor(bad[0]) });
  const hopeless = unreachable.find(isHopeless);
  if (hopeless) throw new AppError("E_NO_SOURCE", describeUnreachable(hopeless), { fix: fixFor(hopeless) });
  const network = isPacket ? await findNetwork(plan, endpoints) : undefined;
  return { plan, names, tries, endpoints, isLocal: foreign === undefined, network };
}

/** @throws {AppError} E_SOURCE if a source address is not free */
async function findNetwork({ groups }: TuplePlan, endpoints: EndQuery): Promise<NetworkPlan> {
  const sources = groups.flatMap((group) => group.sources);
  const destinations = groups.flatMap((group) => group.destinations.map(({ ip }) => ip));
  const onLink = assertUnclaimed(sources, destinations);
  await assertNoPeers(sources, { local: endpoints });
  return planNetwork({ sources, destinations, onLink });
}
