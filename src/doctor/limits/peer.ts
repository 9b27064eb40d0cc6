// Limits that a server sets itself, as far as they can be seen from outside.
import { formatCount, parseCount } from "../../base/units.js";
import type { LocalPeer } from "../../ports/peer.js";
import type { Limit } from "../limit.js";
import { isOurServer } from "../peer-process.js";

export const peerMaximum: Limit = {
  id: "peer-maximum",
  name: "the server's own maximum",
  unit: "connections",
  scope: "process",
  caps: "held",
  side: "server",
  source: "the server's manual: worker_connections, maxclients, max_connections, --max-connections, …",
  change: "the server's configuration",
  privilege: "administrator",
  pitfall: "many servers accept what is over it and close it at once: the client sees a connection, then its end",
  read: (_, { peer }) => (peer ? maximumOf(peer) : undefined),
  describe: (_, { peer }) => {
    const maximum = peer && maximumOf(peer);
    return maximum === undefined ? undefined : `--max-connections ${formatCount(maximum)}`;
  },
  allows: (_, { peer }) => {
    const maximum = peer && maximumOf(peer);
    return maximum ?? Number.POSITIVE_INFINITY;
  },
  needs: (_, { peer, connections }) => (peer && maximumOf(peer) !== undefined ? connections : undefined),
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
  pitfall: "ECONNREFUSED comes from a host that answers: a firewall that drops gives ETIMEDOUT",
  read: (_, { peer }) => peer?.listeners.length,
  allows: (_, { peer }) => (peer && peer.listeners.length === 0 ? 0 : Number.POSITIVE_INFINITY),
  needs: (_, { peer }) => (peer ? 1 : undefined),
};

/** The maximum that a server of ours was started with, out of its arguments. */
function maximumOf({ process }: LocalPeer): number | undefined {
  if (!process || !isOurServer(process)) return undefined;
  const { args } = process;
  const at = args.findIndex((arg) => arg === "--max-connections" || arg.startsWith("--max-connections="));
  if (at < 0) return undefined;
  const text = args[at]!.includes("=") ? args[at]!.split("=")[1]! : (args[at + 1] ?? "");
  return parseCount(text, "--max-connections");
}
