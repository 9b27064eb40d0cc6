// Finds the cause of EADDRNOTAVAIL: a source address that this host does not have, a destination without a route, or
// 4-tuples still held by earlier connections.

import type { WorkerMemory } from "../../engine/worker-memory.js";
import { readLocalPortRange } from "../../linux/proc/local-ports.js";
import { TCP_TIME_WAIT } from "../../linux/syscalls/constants.js";
import { EADDRNOTAVAIL } from "../../linux/syscalls/errno.js";
import { checkSources, isSource, routeSource, whyNoSource } from "../../planning/sources.js";
import type { Targets } from "../../planning/targets.js";
import { type TuplePlan, TupleSequence } from "../../planning/tuple-plan.js";
import type { BadSource, PortShortage } from "../../results/peer.js";
import { type SocketQuery, stateMask } from "../../socket-table/query.js";
import { forEachSocket } from "../../socket-table/table.js";
import { formatIp, type IpAddress } from "../../util/address.js";
import type { PortRange } from "../../util/endpoint.js";
import { STEP } from "../../util/steps.js";
import { COUNTER } from "../metrics.js";

const CLOSING = stateMask(["FIN_WAIT1", "FIN_WAIT2", "CLOSING", "LAST_ACK"]);
/** Maximum number of addresses to check after a run, so that the check does not delay its end. */
const MOST_CHECKED = 100_000;

/**
 * Looks for the cause after the ramp, before anything is closed.
 *
 * @returns undefined if no bind() or connect() failed with EADDRNOTAVAIL
 */
export async function findShortage(
  targets: Targets,
  memories: readonly WorkerMemory[],
): Promise<PortShortage | undefined> {
  const phases = [STEP.bind, STEP.connect];
  const count = (phase: number) => memories.reduce((sum, memory) => sum + memory.failures(phase, EADDRNOTAVAIL), 0);
  if (phases.every((phase) => count(phase) === 0)) return undefined;
  const sequence = new TupleSequence(targets.plan);
  const tuples = memories.map(({ counters }) => counters[COUNTER.unboundTuple]! - 1).filter((tuple) => tuple >= 0);
  const unbound = tuples.map((tuple) => {
    const { group, source } = sequence.at(tuple);
    return sequence.sourceIp(group, source);
  });
  return inspectShortage(targets, unbound);
}

/** @param unbound source addresses that bind() rejected during the run */
async function inspectShortage(targets: Targets, unbound: readonly IpAddress[]): Promise<PortShortage> {
  const { groups } = targets.plan;
  const sources = groups.flatMap((group) => group.sources).filter(({ first }) => !isAny(first));
  const isChecked = sources.reduce((sum, { count }) => sum + count, 0) <= MOST_CHECKED;
  const now = isChecked ? checkSources(sources) : { bad: [], badCount: 0 };
  const known = new Set(now.bad.map(({ ip }) => ip));
  // Several threads may report the same address.
  const before = [...new Map(unbound.map((ip) => [formatIp(ip), ip])).values()].filter(
    (ip) => !known.has(formatIp(ip)),
  );
  const bad = [
    ...now.bad,
    ...(now.badCount > now.bad.length ? [] : before.map((ip) => whyNoSource(ip, EADDRNOTAVAIL))),
  ];
  const destinations = new Map(
    groups.flatMap((group) =>
      group.destinations.map(({ ip }) => [formatIp(ip), { ip, from: group.sources[0]?.first }]),
    ),
  );
  const routes = [...destinations.values()].map(({ ip, from }) =>
    routeSource(ip, from && isAny(from) ? undefined : from),
  );
  return {
    badSources: bad,
    badSourceCount: Math.max(now.badCount, bad.length),
    unreachable: bad.length > 0 ? [] : routes.filter((route): route is BadSource => !isSource(route)),
    ...(await countEnding(targets)),
  };
}

async function countEnding({
  plan,
  endpoints,
}: Targets): Promise<Pick<PortShortage, "timeWaits" | "timeWaitFirstMs" | "timeWaitLastMs" | "closing">> {
  const sources = plan.groups.flatMap((group) => group.sources);
  const ports = portsOf(plan);
  const query: SocketQuery = {
    states: CLOSING | (1 << TCP_TIME_WAIT),
    local: {
      ports: ports && [ports],
      addresses: sources.some(({ first }) => isAny(first)) ? undefined : sources,
    },
    remote: endpoints,
  };
  let [timeWaits, closing, firstMs, lastMs] = [0, 0, Number.POSITIVE_INFINITY, 0];
  await forEachSocket(query, ({ state, timerMs }) => {
    if (state !== TCP_TIME_WAIT) {
      closing++;
      return;
    }
    timeWaits++;
    firstMs = Math.min(firstMs, timerMs);
    lastMs = Math.max(lastMs, timerMs);
  }).catch(() => undefined);
  return { timeWaits, timeWaitFirstMs: timeWaits === 0 ? 0 : firstMs, timeWaitLastMs: lastMs, closing };
}

function portsOf({ ports }: TuplePlan): PortRange | undefined {
  return ports.chosenBy === "us" ? ports.range : readLocalPortRange();
}

function isAny({ bytes }: IpAddress): boolean {
  return bytes.every((byte) => byte === 0);
}
