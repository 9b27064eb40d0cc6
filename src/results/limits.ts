// What results say of the host's limits: which one, what it caps, whose it is, what it allows a load.
import { z } from "../util/zod.js";
import { bound, count, type TypeOf } from "./fields.js";

export const limitCaps = z
  .enum(["held", "rate", "source-ports", "memory", "lookups", "closing", "messages"])
  .describe("what it really caps: connections held, connections per second, …");
/** What a limit really caps. */
export type Caps = TypeOf<typeof limitCaps>;

/** What every limit has. */
const named = {
  id: z.string().describe("stable, in kebab-case"),
  name: z.string().describe("the kernel's own"),
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
    .describe("whom it is shared by: one descriptor table, a process, a user, …"),
  caps: limitCaps,
  side: z.enum(["client", "server", "both"]).describe("the end of a connection that it is about"),
};

export const limitRow = z.object({
  ...named,
  now: bound.optional().describe("as it is now, in the limit's unit; missing when it cannot be read"),
  nowText: z.string().describe("the same in words"),
  allows: z
    .union([bound, z.literal("unknown")])
    .optional()
    .describe("connections of this load that it allows; missing for limits that cap something else"),
  needs: count.optional().describe("what the load needs, in the limit's unit; missing when it needs nothing of it"),
  verdict: z
    .enum(["ok", "insufficient", "low", "unknown"])
    .describe(
      "insufficient: fewer connections than wanted; low is advice: it caps no number of connections, but this load will feel it",
    ),
});
export type LimitRow = TypeOf<typeof limitRow>;
export type LimitVerdict = LimitRow["verdict"];

const inspected = z.object({
  ...named,
  source: z.string().describe("where the kernel documents it"),
  change: z.string().describe("how it is changed, in one line"),
  privilege: z
    .enum(["none", "CAP_NET_ADMIN", "CAP_SYS_ADMIN", "CAP_SYS_RESOURCE", "administrator"])
    .describe("that changing it takes: none, root over this network namespace, root over the host, another program"),
  pitfall: z.string().describe("what people get wrong about it"),
  sysctl: z.string().optional().describe("the setting that the need is about, for those that a program can write"),
  now: bound.optional().describe("in its unit; missing when it cannot be read or there is none"),
});
export type InspectedLimit = TypeOf<typeof inspected>;
/** Whom a limit is shared by. */
export type Scope = InspectedLimit["scope"];
/** The end of a connection that a limit is about. */
export type Side = InspectedLimit["side"];
/** What changing a limit takes: nothing, root over this network namespace, root over the host, or another program. */
export type Privilege = InspectedLimit["privilege"];
