// Kernel evidence about a run: facts without interpretation, on which the diagnosis is based.
import { z } from "../util/zod.js";
import { byName, count, type TypeOf } from "./fields.js";

const memoryRoom = z.object({
  availableBytes: z.number().describe("memory still available on the host or in the tightest cgroup"),
  floorBytes: count.describe("memory to be kept free: 256 MiB or 5%, whichever is larger, but at most a quarter"),
  bound: z.enum(["host", "cgroup"]),
  limit: z
    .enum([
      "memory.max",
      "memory.high",
      "memory.limit_in_bytes",
      "memory.kmem.limit_in_bytes",
      "memory.kmem.tcp.limit_in_bytes",
    ])
    .optional()
    .describe("the cgroup's limit file; missing in results from older versions"),
});
export type MemoryRoom = TypeOf<typeof memoryRoom>;
/**
 * Names of a cgroup's limit files: hard limits, at which allocations fail, and memory.high, above which the kernel
 * throttles.
 */
export type CgroupMemoryFile = NonNullable<MemoryRoom["limit"]>;

const fileRoom = z.object({
  open: count,
  max: count.describe("fs.file-max"),
  reserve: count.describe("number of files kept free"),
});
/** The number of open files on the whole host, and its limit. */
export type FileRoom = TypeOf<typeof fileRoom>;

const watchRoom = z.object({
  watched: count.describe("number of connections that this process watched with epoll"),
  max: count.describe("fs.epoll.max_user_watches"),
  reserve: count.describe("number of watches kept free"),
});
/** The connections that a process watches with epoll, and the limit for all processes of its user. */
export type WatchRoom = TypeOf<typeof watchRoom>;

export const evidence = z
  .object({
    deltas: byName.describe(
      "increases of kernel counters between the start and the end of the hold; unchanged counters are omitted",
    ),
    settings: byName.describe(
      "settings by sysctl name; net.ipv4.ip_local_port_range as .first, .last and .reserved, the number of its ports in ip_local_reserved_ports",
    ),
    gauges: byName.describe(
      "values at the end of the hold: conntrack.count, conntrack.max, files.open, tcp.pages, tcp.orphans, tcp.timeWait, and .entries and .max of the neighbour tables (arp_cache, ndisc_cache)",
    ),
    memoryStop: memoryRoom.optional().describe("memory left when lack of memory stopped the run"),
    fileStop: fileRoom.optional().describe("open files of the host when they stopped the run"),
    watchStop: watchRoom.optional().describe("epoll watches when their limit stopped a server from accepting"),
    interrupted: z.boolean().describe("whether the run was stopped externally before it was complete"),
  })
  .describe("names whose files cannot be read are missing");
/** Figures about this network namespace and host. If a file cannot be read, its figures are missing. */
export type RunEvidence = TypeOf<typeof evidence>;
