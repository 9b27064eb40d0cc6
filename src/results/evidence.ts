// What the kernel says about a run: facts without a judgement, out of which its diagnosis is made.
import { z } from "../util/zod.js";
import { byName, count, type TypeOf } from "./fields.js";

const memoryRoom = z.object({
  availableBytes: z.number().describe("what could still be used, of the host or of the tightest cgroup"),
  floorBytes: count.describe("what has to stay free: the larger of 256 MiB and 5 %, yet never more than a quarter"),
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
    .describe("the cgroup's file; results of older versions have none"),
});
export type MemoryRoom = TypeOf<typeof memoryRoom>;
/** The file that sets a cgroup's limit: hard ones, at which allocations fail, and memory.high, over which the kernel throttles. */
export type CgroupMemoryFile = NonNullable<MemoryRoom["limit"]>;

const fileRoom = z.object({
  open: count,
  max: count.describe("fs.file-max"),
  reserve: count.describe("what stays free of it"),
});
/** Open files of the whole host. */
export type FileRoom = TypeOf<typeof fileRoom>;

export const evidence = z
  .object({
    deltas: byName.describe(
      "by how much counters of the kernel rose between the start and the end of the hold; those that did not are left out",
    ),
    settings: byName.describe(
      "settings by their sysctl names; net.ipv4.ip_local_port_range as .first, .last and .reserved, the number of its ports that ip_local_reserved_ports keeps",
    ),
    gauges: byName.describe(
      "at the end of the hold: conntrack.count, conntrack.max, files.open, tcp.pages, tcp.orphans, tcp.timeWait; of the neighbour tables (arp_cache, ndisc_cache) .entries and .max",
    ),
    memoryStop: memoryRoom.optional().describe("the memory that was left when memory stopped the run"),
    fileStop: fileRoom.optional().describe("the host's open files when they stopped the run"),
    interrupted: z.boolean().describe("stopped from outside before it was complete"),
  })
  .describe("a name is missing where its file cannot be read");
/** Numbers about this network namespace and host; a name is missing where its file cannot be read. */
export type RunEvidence = TypeOf<typeof evidence>;
