// What of a plan's 4-tuples is in use before the run: source ports that sockets hold towards the destinations, TIME_WAIT
// included, and ports that services listen on.
import { networkInterfaces } from "node:os";
import { formatIp, type PortRange, parseIp } from "../base/address.js";
import type { TupleGroup, TuplePlan } from "../engine/planner.js";
import { type ListenerRow, readListeners } from "../ports/listeners.js";
import { ALL_STATES } from "../ports/query.js";
import { forEachSocket } from "../ports/table.js";
import { TCP_LISTEN } from "../sys/constants.js";
import { readLocalPortRange } from "../sys/local-ports.js";

/** 4-tuples of the plan that are taken. */
export async function countTaken(plan: TuplePlan): Promise<number> {
  const range = plan.ports.chosenBy === "us" ? plan.ports.range : readLocalPortRange();
  const listeners = await readListeners({});
  let taken = 0;
  for (const group of plan.groups) {
    const ports = portsBetween(group);
    const open = { count: 0 };
    await forEachSocket(
      {
        states: ALL_STATES & ~(1 << TCP_LISTEN),
        local: { addresses: anySource(group) ? undefined : group.sources, ports: [range] },
        remote: { addresses: group.destinations.map(({ ip }) => ({ first: ip, count: 1 })), ports },
      },
      () => open.count++,
    );
    taken += open.count;
    // The kernel passes listening ports over; an explicit bind to one fails. The kernel's range is reckoned without them.
    if (plan.ports.chosenBy === "us") taken += listeningTuples(group, range, listeners);
  }
  return taken;
}

/** The interface that has the plan's first source address; undefined for loopback. */
export function deviceOf({ groups }: TuplePlan): string | undefined {
  const first = groups[0]?.sources[0]?.first;
  if (first === undefined) return undefined;
  const source = formatIp(first);
  const found = Object.entries(networkInterfaces()).find(([, list]) =>
    list?.some(({ address, internal }) => !internal && formatIp(parseIp(address)) === source),
  );
  return found?.[0];
}

function portsBetween({ destinations }: TupleGroup): PortRange[] {
  return [...new Set(destinations.map(({ port }) => port))].map((port) => ({ first: port, last: port }));
}

/** The unspecified address stands for whichever the kernel takes. */
function anySource({ sources }: TupleGroup): boolean {
  return sources.some(({ first }) => first.bytes.every((byte) => byte === 0));
}

function listeningTuples({ sources, destinations }: TupleGroup, range: PortRange, listeners: readonly ListenerRow[]) {
  const addresses = sources.reduce((sum, { count }) => sum + count, 0);
  // Only wildcards: a listener on one address is in the way of that address alone.
  const ports = new Set(
    listeners
      .filter(({ ip, port }) => (ip === "0.0.0.0" || ip === "::") && port >= range.first && port <= range.last)
      .map(({ port }) => port),
  );
  return ports.size * addresses * destinations.length;
}
