// The evidence of an experiment: tables, lines, fits, latencies, ports in use, ceilings; each as data that a chart is drawn from.
import { z } from "../../util/zod.js";
import { count, port, type TypeOf } from "../fields.js";
import { latency } from "../histogram/latency-summary.js";
import { limitCaps } from "../limits.js";

const axis = z.object({ name: z.string(), unit: z.string() });
const point = z.tuple([z.number(), z.number()]);
const points = z.array(point).describe("[x, y]");

const table = z.object({
  kind: z.literal("table"),
  title: z.string(),
  columns: z.array(z.string()),
  rows: z
    .array(z.array(z.union([z.string(), z.number()])))
    .describe("figures are numbers, so that a page can align them"),
});
/** A table of text and figures. */
export type TableEvidence = TypeOf<typeof table>;

const series = z
  .object({
    kind: z.literal("series"),
    title: z.string(),
    x: axis,
    y: axis,
    lines: z.array(z.object({ name: z.string(), points })),
  })
  .describe("lines over a common horizontal axis");
/** Lines over a common horizontal axis. */
export type SeriesEvidence = TypeOf<typeof series>;

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
    r2: z.number().describe("share of the variance that the line explains, 0 to 1"),
  })
  .describe("y = intercept + slope × x");
/** Points and the straight line through them: y = intercept + slope × x. */
export type FitEvidence = TypeOf<typeof fit>;

const latencies = z.object({
  kind: z.literal("latency"),
  title: z.string(),
  rows: z.array(z.object({ name: z.string(), summary: latency })),
});
export type LatencyEvidence = TypeOf<typeof latencies>;

const ports = z.object({
  kind: z.literal("ports"),
  title: z.string(),
  fields: z.array(
    z.object({
      host: z.string().describe("server or client, and its address"),
      ip: z.string(),
      sockets: count,
      used: z.array(z.tuple([port, port])).describe("runs of ports in use, both ends included: [first, last]"),
    }),
  ),
});
/** Which of an address's 65,536 ports are in use. */
export type PortsEvidence = TypeOf<typeof ports>;

const unnumbered = z.object({
  name: z.string(),
  allows: z
    .enum(["unlimited", "unknown", "other"])
    .describe("any number, one that cannot be read, or it limits something else than connections held: see caps"),
  caps: limitCaps,
});
/** A limit without a number of connections. */
export type UnnumberedLimit = TypeOf<typeof unnumbered>;

const ceiling = z
  .object({
    kind: z.literal("ceiling"),
    title: z.string(),
    wanted: count,
    limits: z.array(z.object({ name: z.string(), allows: count, binds: z.boolean() })),
    unnumbered: z
      .array(unnumbered)
      .default([])
      .describe("limits without a number of connections; results of older versions have none"),
  })
  .describe("what each limit allows, the binding one among them");
/** What each limit allows, the binding one among them. */
export type CeilingEvidence = TypeOf<typeof ceiling>;

export const labEvidence = z.discriminatedUnion("kind", [table, series, fit, latencies, ports, ceiling]);
export type Evidence = TypeOf<typeof labEvidence>;
