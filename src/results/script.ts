// What a user-defined protocol adds to a result.
import { z } from "../util/zod.js";
import { count, type TypeOf } from "./fields.js";
import { latency } from "./histogram/latency-summary.js";

const help = z.string().optional().describe("as declared");

export const script = z
  .object({
    name: z.string(),
    file: z.string(),
    sha256: z.string().describe("SHA-256 of the file, in hexadecimal"),
    seed: count.describe("seed of the protocol's random numbers"),
    data: z.string().optional().describe("data file; missing without one"),
    phases: z
      .array(z.object({ name: z.string(), entered: count, duration: latency }))
      .describe("phases in order; durations cover the connections that have left the phase"),
    counters: z.array(z.object({ name: z.string(), help, value: count })),
    histograms: z.array(z.object({ name: z.string(), help, duration: latency })),
    refusals: z
      .array(z.object({ code: count, text: z.string() }))
      .describe("first text of each refusal code; the failures count the refusals"),
    errors: z
      .object({
        count: count.describe("calls that threw"),
        first: z.array(z.string()).describe("lines of the first error and its stack"),
      })
      .optional()
      .describe("missing if no handler threw"),
  })
  .describe("missing for built-in protocols");
/** What a user-defined protocol reports. */
export type ScriptResult = TypeOf<typeof script>;
