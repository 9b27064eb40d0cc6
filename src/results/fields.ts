// Fields common to several results. A field that is undefined in a result is missing from its JSON, so such fields are
// optional.
import type { output, ZodType } from "zod";
import { STEPS } from "../util/steps.js";
import { z } from "../util/zod.js";

/** The type that a schema describes. Results are immutable plain data. */
export type TypeOf<Schema extends ZodType> = Immutable<output<Schema>>;

type Immutable<T> = T extends object ? { readonly [K in keyof T]: Immutable<T[K]> } : T;

export const count = z.number().min(0);
export const milliseconds = z.number().min(0);
export const microseconds = z.number().min(0);
export const perSecond = z.number().min(0);
export const share = z.number().min(0).max(1);
export const port = z.number().min(0).max(65_535);
export const startedAt = z.iso.datetime().describe("UTC");
/** The format version of all results. */
export const VERSION = 1;
export const version = z.literal(VERSION).describe("version of this format");

/** A number that may be unlimited, represented by a string, because JSON has no Infinity. */
export const bound = z.union([count, z.literal("unlimited")]);

/** Numbers by kernel name. */
export const byName = z.record(z.string(), count);
export type Counters = TypeOf<typeof byName>;

export const phase = z.enum(STEPS).describe("step of a connection's life that failed");
export type Phase = TypeOf<typeof phase>;

export const failure = z.object({
  phase,
  errno: z
    .string()
    .describe(
      "name of the errno; FIN if the peer closed the connection, SELF if the connection connected to itself; or a protocol's refusal, such as HTTP 503 or CLOSE 1008",
    ),
  count,
});
/** Number of failures of one kind. */
export type FailureReport = TypeOf<typeof failure>;
export const failures = z.array(failure).describe("failures by kind, most frequent first");

/** Describes the host of a run, so that runs on different hosts can be compared. */
export const hostDescription = z.object({
  kernel: z.string().describe("for example Linux 6.12.0"),
  arch: z.string(),
  node: z.string().describe("version of Node"),
  cpu: z.string(),
  cores: count.describe("number of cores available to this process"),
  memoryBytes: count,
  nofileLimit: bound.describe("hard RLIMIT_NOFILE: maximum number of descriptors in one table"),
});
export type HostDescription = TypeOf<typeof hostDescription>;

export const hostLoad = z
  .object({
    othersShare: share.describe("share used by other programs"),
    stealShare: share.describe("share given to other guests by the hypervisor"),
  })
  .describe("shares of all CPUs used by others during the measurement; missing if they cannot be read");
export type HostLoad = TypeOf<typeof hostLoad>;

/** HTTP responses of either side. */
export const responses = z
  .object({ "1xx": count, "2xx": count, "3xx": count, "4xx": count, "5xx": count })
  .describe("number of HTTP responses by class of status, including those that refused a connection");

/** TLS statistics of either side. */
export const tls = z
  .object({
    secured: count.describe("number of completed handshakes"),
    resumed: count.describe("number of handshakes that resumed an earlier session"),
    unannounced: count
      .optional()
      .describe(
        "number of connections that the peer ended without close_notify; clients only, missing in older results",
      ),
  })
  .describe("missing without TLS");
