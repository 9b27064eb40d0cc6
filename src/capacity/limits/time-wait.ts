// The limit on short-lived connections. The side that closes a connection first keeps its 4-tuple in TIME_WAIT for
// a minute, so a given number of 4-tuples sustains a given connection rate.

import { portCount, type TupleGroup } from "../../planning/tuple-plan.js";
import type { ConnectRate } from "../../results/prediction.js";
import { isLoopback } from "../../util/address.js";
import { numberOf, toBound } from "../../util/bound.js";
import type { PortRange } from "../../util/endpoint.js";
import { formatCount, formatRate } from "../../util/units.js";
import type { HostReadings } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";

/** TCP_TIMEWAIT_LEN in include/net/tcp.h, which is not configurable. */
export const TIME_WAIT_SECONDS = 60;
/** The fixed delay in kernels without tcp_tw_reuse_delay. */
export const REUSE_DELAY_MS = 1000;

export const timeWait: Limit = {
  id: "time-wait",
  name: "TIME_WAIT",
  unit: "connections/s",
  scope: "namespace",
  caps: "rate",
  side: "client",
  source: "include/net/tcp.h, TCP_TIMEWAIT_LEN; Linux networking/ip-sysctl.rst, tcp_tw_reuse and tcp_tw_reuse_delay",
  change:
    "keep connections open or pool them (HTTP keep-alive); net.ipv4.tcp_tw_reuse=1; more source addresses (--source-ip)",
  privilege: "none",
  pitfall:
    "the side that closes first keeps the 4-tuple for 60 s; no setting shortens that, and tcp_fin_timeout applies to FIN_WAIT_2",
  read: (facts, load) => {
    const rate = load && connectRateOf(facts, load);
    return rate && numberOf(rate.sustainedPerSec);
  },
  describe: (facts, load) => {
    const rate = connectRateOf(facts, load);
    if (!rate) return "-";
    return rate.sustainedPerSec === "unlimited"
      ? "reused at once"
      : `${formatRate(rate.sustainedPerSec)}/s (${formatCount(rate.tuples)} 4-tuples ÷ ${formatRate(rate.keptSeconds)} s)`;
  },
  needs: (_, { connectRatePerSec }) => connectRatePerSec,
};

/** @returns undefined for a server, which uses no source ports */
export function connectRateOf(facts: HostReadings, load: Load): ConnectRate | undefined {
  const { plan, connectRatePerSec: requestedPerSec, portsInUse, timeWaits } = load;
  if (!plan) return undefined;
  const [chosen, bound] = splitPorts(facts, plan.ports);
  let [sustainedPerSec, tuples, keptSeconds] = [0, 0, 0];
  for (const group of plan.groups) {
    const pairs = group.sources.reduce((sum, { count }) => sum + count, 0) * group.destinations.length;
    for (const [ports, seconds] of [
      [chosen, keptWhereChosen(facts, group)],
      [bound, facts.timestamps === 0 ? TIME_WAIT_SECONDS : 0],
    ] as const) {
      if (ports === 0) continue;
      tuples += ports * pairs;
      sustainedPerSec += (ports * pairs) / seconds;
      keptSeconds = Math.max(keptSeconds, seconds);
    }
  }
  // 4-tuples held by open connections stay unavailable; those in TIME_WAIT become available again.
  const held = Math.max(0, portsInUse - timeWaits.tuples);
  const share = tuples === 0 ? 0 : Math.max(0, tuples - held) / tuples;
  const free = Math.max(0, tuples - portsInUse);
  const sustained = tuples === 0 ? 0 : sustainedPerSec * share;
  return {
    requestedPerSec,
    sustainedPerSec: share === 0 ? 0 : toBound(sustained),
    tuples: Math.max(0, tuples - held),
    keptSeconds,
    lastsSeconds: requestedPerSec === undefined || requestedPerSec <= sustained ? undefined : free / requestedPerSec,
  };
}

/**
 * Splits the source ports into those chosen by connect() and those bound by number, which can reuse a 4-tuple in
 * TIME_WAIT at once.
 */
function splitPorts(
  { portRange, listeningPorts }: HostReadings,
  ports: NonNullable<Load["plan"]>["ports"],
): readonly [number, number] {
  if (ports.chosenBy === "kernel") {
    const listening = portRange ? listeningPorts.filter((port) => isWithin(port, portRange)).length : 0;
    return [Math.max(0, ports.available - listening), 0];
  }
  const all = portCount(ports);
  if (!portRange) return [0, all];
  const { range, except = [] } = ports;
  const shared = Math.max(0, Math.min(range.last, portRange.last) - Math.max(range.first, portRange.first) + 1);
  const chosen = shared - except.filter((port) => isWithin(port, portRange)).length;
  return [chosen, all - chosen];
}

/**
 * Returns the time in seconds before a port chosen by connect() is reused; see tcp_twsk_unique() in
 * net/ipv4/tcp_ipv4.c.
 */
function keptWhereChosen(
  { timeWaitReuse: reuse, timeWaitReuseDelayMs, timestamps }: HostReadings,
  group: TupleGroup,
): number {
  const isOn = timestamps !== 0 && (reuse === 1 || (reuse === 2 && isOverLoopback(group)));
  return isOn ? Math.min(TIME_WAIT_SECONDS, (timeWaitReuseDelayMs ?? REUSE_DELAY_MS) / 1000) : TIME_WAIT_SECONDS;
}

function isOverLoopback({ sources, destinations }: TupleGroup): boolean {
  return destinations.every(({ ip }) => isLoopback(ip)) || sources.every(({ first }) => isLoopback(first));
}

function isWithin(port: number, { first, last }: PortRange): boolean {
  return port >= first && port <= last;
}
