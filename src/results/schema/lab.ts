// The schema of what `fourtuple lab --json` prints: experiments, each with its evidence.

import { VERDICTS } from "../../lab/result.js";
import { z } from "../../util/zod.js";
import { count, hostDescription, latency, milliseconds, startedAt, version } from "./parts.js";

const port = z.number().min(0).max(65_535);
const axis = z.object({ name: z.string(), unit: z.string() });
const point = z.tuple([z.number(), z.number()]);
const points = z.array(point).describe("[x, y]");

const table = z.object({
  kind: z.literal("table"),
  title: z.string(),
  columns: z.array(z.string()),
  rows: z.array(z.array(z.union([z.string(), z.number()]))),
});

const series = z.object({
  kind: z.literal("series"),
  title: z.string(),
  x: axis,
  y: axis,
  lines: z.array(z.object({ name: z.string(), points })),
});

const fit = z
  .object({
    kind: z.literal("fit"),
    title: z.string(),
    x: axis,
    y: axis,
    points,
    slope: z.number(),
    intercept: z.number(),
    slopeError: z.number().describe("standard error of the slope"),
    r2: z.number().describe("share of the variance that the line explains"),
  })
  .describe("y = intercept + slope × x");

const latencies = z.object({
  kind: z.literal("latency"),
  title: z.string(),
  rows: z.array(z.object({ name: z.string(), summary: latency })),
});

const ports = z.object({
  kind: z.literal("ports"),
  title: z.string(),
  fields: z.array(
    z.object({
      host: z.string(),
      ip: z.string(),
      sockets: count,
      used: z.array(z.tuple([port, port])).describe("runs of ports in use: [first, last]"),
    }),
  ),
});

const ceiling = z.object({
  kind: z.literal("ceiling"),
  title: z.string(),
  wanted: count,
  limits: z.array(z.object({ name: z.string(), allows: count, binds: z.boolean() })),
  unnumbered: z
    .array(z.object({ name: z.string(), allows: z.enum(["unlimited", "unknown", "something else"]), caps: z.string() }))
    .default([])
    .describe("limits without a number of connections; results of older versions have none"),
});

const share = z.number().min(0).max(1);
const hostLoad = z
  .object({
    othersShare: share.describe("of other programs"),
    stealShare: share.describe("of the hypervisor's others"),
  })
  .optional()
  .describe("shares of all CPUs that others took meanwhile");

const experiment = z.object({
  id: z.string().regex(/^E\d+$/),
  title: z.string(),
  claims: z.array(z.string()),
  claim: z.string(),
  setup: z.string(),
  commands: z.array(z.string()),
  prediction: z.string(),
  observed: z.string(),
  verdict: z.enum(VERDICTS),
  reason: z.string().optional().describe("why it was refuted, inconclusive, failed or not possible"),
  hostLoad,
  elapsedMs: milliseconds,
  evidence: z.array(z.discriminatedUnion("kind", [table, series, fit, latencies, ports, ceiling])),
});

export const labSchema = z
  .object({
    kind: z.literal("lab"),
    version,
    startedAt,
    elapsedMs: milliseconds,
    isQuick: z.boolean(),
    place: z.object({
      kind: z.enum(["namespaces", "loopback"]),
      reason: z.string().optional(),
      serverIp: z.string(),
      clientIps: z.string(),
    }),
    byHand: z
      .object({ make: z.array(z.string()), remove: z.array(z.string()) })
      .optional()
      .describe(
        "commands for bash, as root, that make the two hosts and remove them; those of the experiments run in them",
      ),
    host: hostDescription,
    command: z.string(),
    stoppedIn: z
      .string()
      .optional()
      .describe("the experiment in which the lab was stopped: it and those after it are missing"),
    hostLoad,
    experiments: z.array(experiment),
  })
  .meta({ title: "LabResult", description: "What `fourtuple lab --json` prints" });
