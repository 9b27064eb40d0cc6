// A run's I/O engine, why another engine was not used, and what the user-space TCP counted if there was
// one.
import { z } from "../util/zod.js";
import { bound, count, type TypeOf } from "./fields.js";
import { ENGINE_CHOICES, ENGINES, ICMP_KINDS, type TRANSPORTS, URING_OBSTACLES } from "./identifiers.js";

const obstacle = z.object({
  kind: z
    .enum(URING_OBSTACLES)
    .describe(
      "filter: seccomp or a security module blocks io_uring; disabled: kernel.io_uring_disabled; kernel: the kernel has no io_uring, or a sandbox hides it; operations: the kernel's io_uring lacks a required operation; memlock: RLIMIT_MEMLOCK is too low; other: see errno",
    ),
  errno: z.string().optional().describe("errno of io_uring_setup()"),
  operations: z.array(z.string()).optional().describe("missing operations"),
  memlockBytes: bound.optional().describe("RLIMIT_MEMLOCK"),
  neededBytes: count.optional().describe("locked memory needed for the connections"),
});
/** Why io_uring is unavailable. */
export type EngineObstacle = TypeOf<typeof obstacle>;

export const engine = z.object({
  name: z.enum(ENGINES).describe("engine used: epoll or io_uring"),
  requested: z.enum(ENGINE_CHOICES).describe("value of --engine"),
  obstacle: obstacle.optional().describe("why epoll was used, by at least one thread, although io_uring was preferred"),
});
/** A run's I/O engine. */
export type EngineReport = TypeOf<typeof engine>;
export type TransportName = (typeof TRANSPORTS)[number];
export type EngineName = EngineReport["name"];
export type EngineChoice = EngineReport["requested"];

export const packetCounts = z.object({
  sentPackets: count,
  receivedPackets: count,
  otherPackets: count
    .optional()
    .describe("of these, packets that are neither TCP nor ICMP errors, such as announcements by this host's kernel"),
  retransmitted: count.describe("segments with data or FIN sent again"),
  repeatedSyns: count.describe("SYNs sent again"),
  outOfOrder: count.describe("segments that arrived out of order, and were dropped"),
  malformed: count,
  badChecksums: count,
  deviceDrops: count
    .optional()
    .describe("packets dropped because the TUN device's queue was full; missing in older results"),
  earlierConnections: count.describe("earlier connections of a 4-tuple that the peer still had, and were reset"),
  strays: count
    .optional()
    .describe("segments that belong to no connection, and were answered with RST; missing in older results"),
  unacknowledged: count
    .optional()
    .describe(
      "number of open connections whose oldest data had been sent again at least twice, and was not acknowledged, when closing began; missing in older results",
    ),
  icmp: z.array(z.object({ kind: z.enum(ICMP_KINDS), count })).describe("ICMP errors about connections, by kind"),
});
/** Counts of TCP in this program, over all workers. */
export type PacketCounts = TypeOf<typeof packetCounts>;
