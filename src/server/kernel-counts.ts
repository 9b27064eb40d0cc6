// What the kernel counts of a server when it stops: its connections, and what its listening socket has dropped.
import type { ServeResult } from "../results/serve.js";
import { countSocketsWithin } from "../socket-table/count.js";
import { endpointsQuery } from "../socket-table/endpoints.js";
import { readListenQueues } from "../socket-table/listeners/peer.js";
import { parseIp } from "../util/address.js";

type Address = ServeResult["address"];

/** @returns undefined where it takes longer than `timeoutMs` */
export function countConnections({ ip, port }: Address, timeoutMs: number): Promise<ServeResult["kernel"]> {
  const address = parseIp(ip);
  // 0.0.0.0 and :: are no address that a connection has.
  const isWildcard = address.bytes.every((byte) => byte === 0);
  const ports = { first: port, last: port };
  return countSocketsWithin({ end: "local", ports, ...(isWildcard ? {} : { ips: [address] }) }, timeoutMs);
}

/** Other sockets of the same port may share it by SO_REUSEPORT: ours then cannot be told from them, and it is undefined. */
export async function countDrops({ ip, port }: Address): Promise<number | undefined> {
  const queues = await readListenQueues(endpointsQuery([{ ip: parseIp(ip), port }])).catch(() => []);
  return queues.length === 1 ? queues[0]!.drops : undefined;
}
