// Describes the limits of the host in results: name, what they cap, scope, and what they allow for a load.
import { z } from "../util/zod.js";
import { bound, count, type TypeOf } from "./fields.js";

export const limitCaps = z
  .enum(["held", "rate", "source-ports", "memory", "lookups", "closing", "messages"])
  .describe("what the limit caps: connections held, connections per second, …");
/** What a limit caps. */
export type Caps = TypeOf<typeof limitCaps>;

/** Fields common to all limits. */
const named = {
  id: z.string().describe("stable identifier in kebab-case"),
  name: z.string().describe("the kernel's name"),
  unit: z.enum([
    "descriptors",
    "ports",
    "connections",
    "pages",
    "bytes",
    "entries",
    "threads",
    "cores",
    "connections/s",
    "bit/s",
    "flag",
  ]),
  scope: z
    .enum(["table", "process", "user", "namespace", "cgroup", "host", "network"])
    .describe("scope within which the limit is shared: one descriptor table, a process, a user, …"),
  caps: limitCaps,
  side: z.enum(["client", "server", "both"]).describe("end of a connection to which the limit applies"),
};

export const limitRow = z.object({
  ...named,
  now: bound.optional().describe("current value, in the limit's unit; missing if it cannot be read"),
  nowText: z.string().describe("current value as text"),
  allows: z
    .union([bound, z.literal("unknown")])
    .optional()
    .describe(
      "number of connections of this load that the limit allows; missing for limits that cap something other than connections",
    ),
  needs: count.optional().describe("value that the load needs, in the limit's unit; missing if it needs none"),
  verdict: z
    .enum(["ok", "insufficient", "low", "unknown"])
    .describe(
      "insufficient: allows fewer connections than wanted; low: advice about a limit that does not cap the number of connections but affects this load",
    ),
});
export type LimitRow = TypeOf<typeof limitRow>;
export type LimitVerdict = LimitRow["verdict"];

const inspected = z.object({
  ...named,
  source: z.string().describe("kernel documentation of the limit"),
  change: z.string().describe("how to change the limit, in one line"),
  privilege: z
    .enum(["none", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", "administrator"])
    .describe(
      "privilege required to change it: none, root in this network namespace, root on the host, or an administrator, for example of the kernel command line, the container or the hardware",
    ),
  pitfall: z.string().describe("common misconception about the limit"),
  sysctl: z.string().optional().describe("sysctl to change, if a program can write it"),
  now: bound.optional().describe("current value in the limit's unit; missing if it cannot be read or there is none"),
});
export type InspectedLimit = TypeOf<typeof inspected>;
/** The scope within which a limit is shared. */
export type Scope = InspectedLimit["scope"];
/** The end of a connection to which a limit applies. */
export type Side = InspectedLimit["side"];
/**
 * Privilege required to change a limit: none, root in this network namespace, root on the host, or an administrator,
 * for example of the kernel command line, the container or the hardware.
 */
export type Privilege = InspectedLimit["privilege"];
