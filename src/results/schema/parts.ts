// What results of several kinds have in common. What is undefined in a result is missing in its JSON: hence optional.

import { PHASES } from "../../engine/worker-memory.js";
import { CGROUP_MEMORY_FILES } from "../../linux/proc/cgroup.js";
import { z } from "../../util/zod.js";

export const count = z.number().min(0);
export const milliseconds = z.number().min(0);
export const microseconds = z.number().min(0);
export const startedAt = z.iso.datetime().describe("UTC");
export const version = z.literal(1).describe("of this format");

const byName = z.record(z.string(), z.number());

export const failures = z
  .array(z.object({ phase: z.enum(PHASES), errno: z.string().describe("the errno's name, FIN, or SELF"), count }))
  .describe("of each kind, the most frequent first");

export const latency = z.object({
  count: count.describe("0 when nothing was measured: then the rest is 0, too"),
  minUs: microseconds,
  meanUs: microseconds,
  p50Us: microseconds,
  p90Us: microseconds,
  p99Us: microseconds,
  p999Us: microseconds,
  maxUs: microseconds,
});

export const evidence = z.object({
  risen: byName.describe("kernel counters that rose during the run"),
  settings: byName.describe("settings by their sysctl names"),
  gauges: byName,
  memoryStop: z
    .object({
      availableBytes: z.number(),
      floorBytes: z.number(),
      bound: z.enum(["host", "cgroup"]),
      limit: z.enum(CGROUP_MEMORY_FILES).optional().describe("the cgroup's file"),
    })
    .optional()
    .describe("the memory that was left when memory stopped the run"),
  fileStop: z
    .object({ open: count, max: count, reserve: count })
    .optional()
    .describe("the host's open files when they stopped the run"),
  wasCutShort: z.boolean().describe("stopped from outside before it was complete"),
});

export const hostDescription = z.object({
  kernel: z.string(),
  arch: z.string(),
  node: z.string(),
  cpu: z.string(),
  cores: count,
  memoryBytes: count,
  nofileLimit: count,
});
