// Limits of the server process, as far as they are visible from outside.

import type { ProcessFacts } from "../../results/peer.js";
import { describeProcess, isOurServer } from "../../socket-table/listeners/peer-process.js";
import { formatBound, numberOf } from "../../util/bound.js";
import { formatCount, parseCount } from "../../util/units.js";
import type { HostFacts } from "../host-facts.js";
import type { Limit } from "../limit.js";
import type { Load } from "../load.js";
import type { Server, Worker } from "../server.js";
import { nofile } from "./descriptors.js";

export const peerNofile: Limit = {
  id: "peer-nofile",
  name: "the server's RLIMIT_NOFILE",
  unit: "descriptors",
  scope: "process",
  caps: "held",
  side: "server",
  source: "man 2 getrlimit; /proc/PID/limits",
  change:
    "LimitNOFILE= in the server's unit, ulimit -n where the server is started, --ulimit nofile= for its container",
  privilege: "administrator",
  pitfall:
    "a proxy uses two descriptors per client; some servers close connections they cannot take, others stop accepting, and then the connections waiting in the accept queue also look open to clients",
  read: (_, load) =>
    load?.peer ? sumOf(load.peer.workers.map(({ nofileLimit }) => nofileLimit && numberOf(nofileLimit))) : undefined,
  describe: (facts, { peer }) => {
    if (!peer) return "-";
    const [first, ...others] = peer.workers;
    if (!first) return peer.listeners.length === 0 ? "nothing listens" : undefined;
    const left = sumOf(peer.workers.map((worker) => roomOf(worker, facts)));
    const who = others.length === 0 ? describeProcess(first) : `${peer.workers.length} processes`;
    const room =
      left === Number.POSITIVE_INFINITY ? "not limiting" : `${left === undefined ? "unknown" : formatCount(left)} left`;
    const proxy = peer.workers.some(({ isProxy }) => isProxy) ? ", a proxy: 2 per client" : "";
    return `${first.nofileLimit === undefined ? "unknown" : formatBound(first.nofileLimit)} of ${who}, ${room}${proxy}`;
  },
  allows: (facts, { peer, connections }) => {
    if (!peer || peer.listeners.length === 0) return Number.POSITIVE_INFINITY;
    const rooms = peer.workers.map((worker) => roomOf(worker, facts));
    const together = rooms.length === 0 ? undefined : sumOf(rooms);
    if (together === undefined || rooms.length === 1 || together < connections) return together;
    // The kernel may wake any of the processes for a connection, so one can fill up while others have room.
    return Math.min(...(rooms as number[])) >= connections ? together : undefined;
  },
  needs: (_, { peer, connections }) => {
    const [worker] = peer?.workers ?? [];
    if (!peer || worker?.openDescriptors === undefined || isOurServer(worker)) return undefined;
    return worker.openDescriptors + Math.ceil(connections / peer.workers.length) * (worker.isProxy ? 2 : 1);
  },
};

export const peerMaximum: Limit = {
  id: "peer-maximum",
  name: "the server's own connection limit",
  unit: "connections",
  scope: "process",
  caps: "held",
  side: "server",
  source: "the server's manual: worker_connections, maxclients, max_connections, --max-connections, …",
  change: "the server's configuration",
  privilege: "administrator",
  pitfall:
    "many servers accept connections above this limit and close them at once: the client sees the connection open, then close",
  read: (_, load) => (load?.peer ? maximumOf(load.peer) : undefined),
  describe: (_, { peer }) => {
    const maximum = peer && maximumOf(peer);
    if (peer === undefined || maximum === undefined) return undefined;
    return `--max-connections ${formatCount(maximum)}${peer.held === 0 ? "" : `, ${formatCount(peer.held)} already held`}`;
  },
  allows: (_, { peer }) => {
    const maximum = peer && maximumOf(peer);
    return peer === undefined || maximum === undefined ? Number.POSITIVE_INFINITY : Math.max(0, maximum - peer.held);
  },
  needs: (_, { peer, connections }) => (peer && maximumOf(peer) !== undefined ? connections + peer.held : undefined),
};

export const listener: Limit = {
  id: "listener",
  name: "a listener at the destination",
  unit: "flag",
  scope: "process",
  caps: "held",
  side: "server",
  source: "man 2 listen",
  change: "start the server, or check the address and port (ss -ltn)",
  privilege: "none",
  pitfall: "ECONNREFUSED comes from a host that answers; a firewall that drops packets causes ETIMEDOUT",
  read: (_, load) => load?.peer?.listeners.length,
  describe: (facts, load) => {
    if (!isWithoutListener(load)) return undefined;
    return facts.translation === "none" ? "nothing listens" : "nothing listens, but the port may be redirected";
  },
  allows: ({ translation }, load) => {
    if (!isWithoutListener(load)) return Number.POSITIVE_INFINITY;
    // A rule may redirect connections to a listener on another port or host.
    return translation === "none" ? 0 : undefined;
  },
  needs: (_, { peer }) => (peer ? 1 : undefined),
};

/** Returns whether the destination is on this host and nothing listens there. */
export function isWithoutListener({ peer }: Load): boolean {
  return peer?.listeners.length === 0;
}

/**
 * Returns how many clients the server can take if it turns out to be a proxy; undefined if that is already known.
 */
export function roomAsProxy(facts: HostFacts, load: Load): number | undefined {
  const { peer, role, program } = load;
  if (!peer && role !== "client" && program === "ordinary") return Math.floor(nofile.allows!(facts, load)! / 2);
  const workers = peer?.workers ?? [];
  if (workers.length === 0 || workers.some((worker) => worker.isProxy || isOurServer(worker))) return undefined;
  return sumOf(workers.map((worker) => roomOf({ ...worker, isProxy: true }, facts)));
}

/**
 * Returns how many more connections a process can accept. Our own server adds descriptor tables as needed, if the host
 * lets it.
 */
function roomOf(worker: Worker, { canPark, canUnshare }: HostFacts): number | undefined {
  if (isOurServer(worker) && (canPark || canUnshare)) return Number.POSITIVE_INFINITY;
  const { nofileLimit, openDescriptors } = worker;
  if (nofileLimit === undefined || openDescriptors === undefined) return undefined;
  return Math.floor(Math.max(0, numberOf(nofileLimit) - openDescriptors) / (worker.isProxy ? 2 : 1));
}

/** Returns the sum of the values; undefined if any value is undefined. */
function sumOf(values: readonly (number | undefined)[]): number | undefined {
  return values.reduce((sum, value) => (sum === undefined || value === undefined ? undefined : sum + value), 0);
}

/**
 * Returns the sum of --max-connections in the arguments of fourtuple servers; undefined if any of the servers runs
 * without it.
 */
function maximumOf({ workers }: Server): number | undefined {
  return workers.length === 0 ? undefined : sumOf(workers.map(maximumOfProcess));
}

function maximumOfProcess(process: ProcessFacts): number | undefined {
  if (!isOurServer(process)) return undefined;
  const { args } = process;
  const at = args.findIndex((arg) => arg === "--max-connections" || arg.startsWith("--max-connections="));
  if (at < 0) return undefined;
  const text = args[at]!.includes("=") ? args[at]!.split("=")[1]! : (args[at + 1] ?? "");
  return parseCount(text, "--max-connections");
}
