// What a result says of one kind of latency.
import { z } from "../../util/zod.js";
import { count, microseconds, type TypeOf } from "../fields.js";

export const latency = z.object({
  count: count.describe("0 when nothing was measured: then the rest is 0, too"),
  minUs: microseconds,
  meanUs: microseconds,
  p50Us: microseconds,
  p90Us: microseconds,
  p99Us: microseconds,
  p999Us: microseconds,
  maxUs: microseconds,
  histogram: z
    .string()
    .optional()
    .describe(
      "of microseconds, from 1 to an hour with three significant digits, in HdrHistogram's V2 encoding, compressed, as base64; missing when nothing was measured, and in results of older versions",
    ),
});
/** Microseconds; `count` is 0 when nothing was recorded, and then the rest is 0 too. */
export type LatencySummary = TypeOf<typeof latency>;
