// The evidence of an experiment: tables, lines, fits, bars, latencies, ports in use and ceilings, as data for
// charts.
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
    .describe("figures are numbers, so that pages can align them"),
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
  .describe("lines with a common horizontal axis");
/** Lines with a common horizontal axis. */
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
    r2: z.number().describe("share of the variance explained by the line, 0 to 1"),
  })
  .describe("y = intercept + slope × x");
/** Points and a fitted straight line: y = intercept + slope × x. */
export type FitEvidence = TypeOf<typeof fit>;

const stack = z
  .object({
    kind: z.literal("stack"),
    title: z.string(),
    x: axis,
    parts: z.array(z.string()).describe("names of the parts of each bar"),
    rows: z.array(z.object({ name: z.string(), values: z.array(count).describe("size of each part") })),
  })
  .describe("bars made of parts");
/** Bars made of parts. */
export type StackEvidence = TypeOf<typeof stack>;

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
      host: z.string().describe("server or client, with its address"),
      ip: z.string(),
      sockets: count,
      used: z.array(z.tuple([port, port])).describe("ranges of ports in use, including both ends: [first, last]"),
    }),
  ),
});
/** Ports in use, out of an address's 65,536. */
export type PortsEvidence = TypeOf<typeof ports>;

const unnumbered = z.object({
  name: z.string(),
  allows: z
    .enum(["unlimited", "unknown", "other"])
    .describe("unlimited, unreadable, or limits something other than the number of connections held (see caps)"),
  caps: limitCaps,
});
/** A limit on something other than a number of connections. */
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
      .describe("limits that are not a number of connections; missing in results from older versions"),
  })
  .describe("what each limit allows, including the binding one");
/** What each limit allows, including the binding limit. */
export type CeilingEvidence = TypeOf<typeof ceiling>;

export const labEvidence = z.discriminatedUnion("kind", [table, series, fit, stack, latencies, ports, ceiling]);
export type Evidence = TypeOf<typeof labEvidence>;
