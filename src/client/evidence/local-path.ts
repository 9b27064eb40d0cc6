// Finds routes and firewall rules of this host that reject packets of a run. Used when connections failed.

import { collectAtOnce } from "../../engine/failures.js";
import type { WorkerMemory } from "../../engine/worker-memory.js";
import { findFilterRules } from "../../linux/netlink/nftables.js";
import { findRefusingRoutes } from "../../linux/netlink/refusing-routes.js";
import type { Targets } from "../../planning/targets.js";
import type { LocalPath } from "../../results/peer.js";
import { formatIp } from "../../util/address.js";

/** Maximum number of destinations to look up. A run may have many, but they share routes. */
const LOOKED_UP = 8;
const LISTED = 8;

export function inspectLocalPath({ plan, isLocal, network }: Targets, memories: readonly WorkerMemory[]): LocalPath {
  const destinations = plan.groups.flatMap((group) => group.destinations);
  const ips = [...new Map(destinations.map(({ ip }) => [formatIp(ip), ip])).values()].slice(0, LOOKED_UP);
  const routes = ips.map(findRefusingRoutes);
  const ports = new Set(destinations.map(({ port }) => port));
  // Incoming packets are addressed to our ephemeral ports, unless the server is on this host.
  const hooks = hooksOf(isLocal, network !== undefined);
  const rules = findFilterRules()
    ?.filter(({ hook, port }) => hooks.includes(hook) && (port === undefined || ports.has(port)))
    .sort((a, b) => Number(b.port !== undefined) - Number(a.port !== undefined));
  return {
    failedAtOnce: collectAtOnce(memories),
    routes: routes.every((found) => found !== undefined) ? routes.flat().slice(0, LISTED) : undefined,
    rules: rules?.slice(0, LISTED),
  };
}

/** @param isForwarded whether packets come from a TUN device of ours */
function hooksOf(isLocal: boolean, isForwarded: boolean): string[] {
  if (isLocal) return ["output", "postrouting", "prerouting", "input"];
  return isForwarded ? ["prerouting", "forward", "postrouting"] : ["output", "postrouting"];
}
