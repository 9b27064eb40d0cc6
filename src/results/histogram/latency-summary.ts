// The summary of a latency in a result.
import { z } from "../../util/zod.js";
import { count, microseconds, type TypeOf } from "../fields.js";
import { isHistogram } from "./encoding.js";

export const latency = z.object({
  count: count.describe("0 if nothing was measured; all other figures are then 0, too"),
  minUs: microseconds,
  meanUs: microseconds,
  p50Us: microseconds,
  p90Us: microseconds,
  p99Us: microseconds,
  p999Us: microseconds,
  maxUs: microseconds,
  histogram: z
    .string()
    .refine(isHistogram, "cannot be decoded")
    .optional()
    .describe(
      "histogram in microseconds, from 1 to an hour with three significant digits, in HdrHistogram's compressed V2 encoding, as base64; missing if nothing was measured, and in results from older versions",
    ),
});
/** Latency in microseconds. If nothing was recorded, `count` and all other figures are 0. */
export type LatencySummary = TypeOf<typeof latency>;
