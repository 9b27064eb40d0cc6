// Counts the 4-tuples of a plan that are already in use before the run: those of sockets connected to the same
// destinations, and those whose port is blocked by other sockets, such as listeners.

import { setImmediate } from "node:timers/promises";
import { addressOf, readInterfaces } from "../linux/netlink/interfaces.js";
import { readLocalPortRange, readReservedPorts } from "../linux/proc/local-ports.js";
import { readSysctlNumbers } from "../linux/proc/sysctl.js";
import { TCP_LISTEN, TCP_TIME_WAIT } from "../linux/syscalls/constants.js";
import type { TupleGroup, TuplePlan } from "../planning/tuple-plan.js";
import { ALL_STATES } from "../socket-table/query.js";
import { forEachSocket } from "../socket-table/table.js";
import type { SocketView } from "../socket-table/view.js";
import { addToIp, formatIp, type IpAddress } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import { REUSE_DELAY_MS, TIME_WAIT_SECONDS } from "./limits/time-wait.js";
import { PortTrial } from "./port-trial.js";

export interface TuplesInUse {
  /** Number of 4-tuples in the plan unavailable to new connections. */
  readonly tuples: number;
  /** Number of 4-tuples that may or may not be available, because other sockets use their port. */
  readonly doubtful: number;
  /** Number of the `tuples` that are held by TIME_WAIT sockets, and the time until the last of these expires. */
  readonly timeWaits: { readonly tuples: number; readonly lastMs: number };
}

export const NONE_IN_USE: TuplesInUse = { tuples: 0, doubtful: 0, timeWaits: { tuples: 0, lastMs: 0 } };

const PORTS = 65_536;
const START_MS = 1000;
/** Maximum number of ports to test. At about 10 µs a test, plans with many addresses are tested only in part. */
const MOST_TRIALS = 200_000;
/** On a busy host, the trials take seconds, and an agent of a fleet that does not answer meanwhile would be lost. */
const TURN_MS = 20;

/** @returns NONE_IN_USE if the kernel chooses from a range that cannot be read */
export async function countTuplesInUse(plan: TuplePlan): Promise<TuplesInUse> {
  const ephemeral = readLocalPortRange();
  const range = plan.ports.chosenBy === "us" ? plan.ports.range : ephemeral;
  if (!range) return NONE_IN_USE;
  const seen = await readSeen(range, plan.ports.chosenBy === "us");
  const passedOver = new Set(plan.ports.chosenBy === "us" ? plan.ports.except : []);
  using trial = new PortTrial();
  let tuples = 0;
  let doubtful = 0;
  let timeWaits = 0;
  let lastMs = 0;
  let trials = 0;
  let turnMs = performance.now();
  for (const group of plan.groups) {
    const held = await countHeld(group, range, ephemeral);
    lastMs = Math.max(lastMs, held.lastMs);
    const sources = group.sources.reduce((sum, { count }) => sum + count, 0);
    const { length: destinations } = group.destinations;
    for (let port = range.first; port <= range.last; port++) {
      if (seen[port] === 0 || passedOver.has(port)) continue;
      if (performance.now() - turnMs > TURN_MS) {
        await setImmediate();
        turnMs = performance.now();
      }
      // As in the connector, connect() chooses ports in the kernel's range; others are bound by number.
      const isShared = ephemeral !== undefined && isWithin(port, ephemeral);
      let barred = 0;
      let untried = 0;
      for (const [ip, addresses] of isShared ? [[undefined, sources] as const] : eachSource(group)) {
        const isFree = trials++ >= MOST_TRIALS ? undefined : ip ? trial.isBindable(ip, port) : trial.isChosen(port);
        if (isFree === false) barred += addresses;
        else if (isFree === undefined) untried += addresses;
      }
      // Do not count tuples of a blocked address twice.
      const free = sources - barred;
      const kept = Math.min(held.byPort[port]!, free * destinations);
      tuples += barred * destinations + kept;
      timeWaits += Math.min(held.timeWaitsByPort[port]!, kept);
      // A tuple that a socket holds is in use whatever other sockets are on the port.
      doubtful += Math.max(0, Math.min(untried, free) * destinations - kept);
    }
  }
  return { tuples, doubtful, timeWaits: { tuples: timeWaits, lastMs: timeWaits === 0 ? 0 : lastMs } };
}

/** Returns the network interface that has the plan's first source address; undefined for loopback or if unknown. */
export function deviceOf({ groups }: TuplePlan): string | undefined {
  const first = groups[0]?.sources[0]?.first;
  if (first === undefined) return undefined;
  const source = formatIp(first);
  const found = Object.entries(readInterfaces() ?? {}).find(([name, list]) =>
    list?.some((each) => !each.internal && formatIp(addressOf(each, name)) === source),
  );
  return found?.[0];
}

/**
 * Returns an array indexed by port, with 1 for each port of the range that any socket uses. The count of kernel-chosen
 * ports already excludes listeners.
 */
async function readSeen(range: PortRange, isExplicit: boolean): Promise<Uint8Array> {
  const seen = new Uint8Array(PORTS);
  const states = isExplicit ? ALL_STATES : ALL_STATES & ~(1 << TCP_LISTEN);
  await forEachSocket({ states, local: { ports: [range] } }, ({ localPort }) => {
    seen[localPort] = 1;
  });
  // The kernel never chooses a reserved port, even if it is the only one allowed.
  if (isExplicit) for (const { first, last } of readReservedPorts() ?? []) seen.fill(1, first, last + 1);
  else {
    await forEachSocket({ states: 1 << TCP_LISTEN, local: { ports: [range] } }, ({ localPort }) => {
      seen[localPort] = 0;
    });
    for (const { first, last } of readReservedPorts() ?? []) seen.fill(0, first, last + 1);
  }
  return seen;
}

interface Held {
  readonly byPort: Uint32Array;
  readonly timeWaitsByPort: Uint32Array;
  /** Time until the last TIME_WAIT socket expires. */
  readonly lastMs: number;
}

/** Counts, by source port, the sockets from the group's sources to its destinations whose 4-tuple cannot be reused. */
async function countHeld(group: TupleGroup, range: PortRange, ephemeral: PortRange | undefined): Promise<Held> {
  const byPort = new Uint32Array(PORTS);
  const timeWaitsByPort = new Uint32Array(PORTS);
  let lastMs = 0;
  const ports = [...new Set(group.destinations.map(({ port }) => port))];
  const isReused = timeWaitReuse();
  await forEachSocket(
    {
      states: ALL_STATES & ~(1 << TCP_LISTEN),
      local: { addresses: anySource(group) ? undefined : group.sources, ports: [range] },
      remote: {
        addresses: group.destinations.map(({ ip }) => ({ first: ip, count: 1 })),
        ports: ports.map((port) => ({ first: port, last: port })),
      },
    },
    (socket) => {
      const isBound = ephemeral === undefined || !isWithin(socket.localPort, ephemeral);
      const isTimeWait = socket.state === TCP_TIME_WAIT;
      if (isTimeWait && isReused(socket, isBound)) return;
      byPort[socket.localPort]!++;
      if (!isTimeWait) return;
      timeWaitsByPort[socket.localPort]!++;
      lastMs = Math.max(lastMs, socket.timerMs);
    },
  );
  return { byPort, timeWaitsByPort, lastMs };
}

/**
 * Returns a function that tells whether a new connection can reuse the 4-tuple of a TIME_WAIT socket (tcp_twsk_unique).
 * Reuse requires timestamps. A port bound by number is reused at once; a port chosen by connect() depends on
 * tcp_tw_reuse and is reused tcp_tw_reuse_delay after the close. 4-tuples that become reusable within a second count,
 * because a run takes that long to start.
 */
function timeWaitReuse(): (socket: SocketView, isBound: boolean) => boolean {
  const [reuse] = readSysctlNumbers("net.ipv4.tcp_tw_reuse") ?? [];
  const [timestamps] = readSysctlNumbers("net.ipv4.tcp_timestamps") ?? [];
  const [delayMs = REUSE_DELAY_MS] = readSysctlNumbers("net.ipv4.tcp_tw_reuse_delay") ?? [];
  return (socket, isBound) => {
    if (timestamps === 0) return false;
    if (isBound) return true;
    const ageMs = TIME_WAIT_SECONDS * 1000 - socket.timerMs;
    if (delayMs - ageMs > START_MS) return false;
    if (reuse === 1) return true;
    return reuse === 2 && (isLoopbackText(socket.localIp) || isLoopbackText(socket.remoteIp));
  };
}

function isLoopbackText(ip: string): boolean {
  return ip.startsWith("127.") || ip === "::1";
}

function* eachSource({ sources }: TupleGroup): Generator<readonly [IpAddress, number]> {
  for (const { first, count } of sources) {
    for (let i = 0; i < count; i++) yield [addToIp(first, i), 1];
  }
}

function isWithin(port: number, { first, last }: PortRange): boolean {
  return port >= first && port <= last;
}

/** Returns whether the source address is unspecified and therefore left to the kernel. */
function anySource({ sources }: TupleGroup): boolean {
  return sources.some(({ first }) => first.bytes.every((byte) => byte === 0));
}
