// Reads the kernel's counts when a server stops: its connections, and how many its listening socket has dropped.
import type { ServeResult } from "../results/serve.js";
import { countSocketsWithin } from "../socket-table/count.js";
import { endpointsQuery } from "../socket-table/endpoints.js";
import { readListenQueues } from "../socket-table/listeners/peer.js";
import { parseIp } from "../util/address.js";

type Address = ServeResult["address"];

/** @returns undefined if counting takes longer than `timeoutMs` */
export function countConnections({ ip, port }: Address, timeoutMs: number): Promise<ServeResult["kernel"]> {
  const address = parseIp(ip);
  // For 0.0.0.0 and ::, match any local address, because no connection has them as its own.
  const isWildcard = address.bytes.every((byte) => byte === 0);
  const ports = { first: port, last: port };
  return countSocketsWithin({ end: "local", ports, ...(isWildcard ? {} : { ips: [address] }) }, timeoutMs);
}

/**
 * Returns undefined if several sockets share the port through SO_REUSEPORT, because it is unknown which of them belongs
 * to this server.
 */
export async function countDrops({ ip, port }: Address): Promise<number | undefined> {
  const queues = await readListenQueues(endpointsQuery([{ ip: parseIp(ip), port }])).catch(() => []);
  return queues.length === 1 ? queues[0]!.drops : undefined;
}
