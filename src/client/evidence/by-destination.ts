// Lists a run's destinations with the number of connections to each.
import { failureName } from "../../engine/failures.js";
import type { Targets } from "../../planning/targets.js";
import type { ConnectResult, Endpoint } from "../../results/connect.js";
import { formatIp } from "../../util/address.js";
import { formatEndpoint } from "../../util/endpoint.js";
import type { RunFacts } from "../run-state.js";
import { DestinationCounts } from "./destination-counts.js";

/**
 * Returns the counts for each destination so far; undefined for a single destination or for too many
 * destinations.
 */
export function countDestinations({
  destinationCounts,
  targets,
}: Pick<RunFacts, "destinationCounts" | "targets">): ConnectResult["byDestination"] {
  if (!destinationCounts) return undefined;
  const counts = new DestinationCounts(destinationCounts).list();
  return listEndpoints(targets).map(({ ip, port }, number) => {
    const to = formatEndpoint(ip, port);
    const { established, failed, phase, errno } = counts[number]!;
    return { to, established, failed, ...(phase && { lastFailure: { phase, errno: failureName(phase, errno) } }) };
  });
}

export function listEndpoints(targets: Targets): Endpoint[] {
  return targets.plan.groups.flatMap(({ destinations }) =>
    destinations.map(({ ip, port }) => ({ ip: formatIp(ip), port })),
  );
}
