// Fields that results of several kinds have. What is undefined in a result is missing in its JSON: hence optional.
import type { output, ZodType } from "zod";
import { STEPS } from "../util/steps.js";
import { z } from "../util/zod.js";

/** The type that a schema describes. Results are plain data that nobody changes. */
export type TypeOf<Schema extends ZodType> = Immutable<output<Schema>>;

type Immutable<T> = T extends object ? { readonly [K in keyof T]: Immutable<T[K]> } : T;

export const count = z.number().min(0);
export const milliseconds = z.number().min(0);
export const microseconds = z.number().min(0);
export const perSecond = z.number().min(0);
export const share = z.number().min(0).max(1);
export const port = z.number().min(0).max(65_535);
export const startedAt = z.iso.datetime().describe("UTC");
/** Of the format of all results. */
export const VERSION = 1;
export const version = z.literal(VERSION).describe("of this format");

/** A bound: JSON has no Infinity, so what nothing bounds is said by a word. */
export const bound = z.union([count, z.literal("unlimited")]);

/** Numbers by the kernel's names for them. */
export const byName = z.record(z.string(), count);
export type Counters = TypeOf<typeof byName>;

export const phase = z.enum(STEPS).describe("the step of a connection's life in which it was");
export type Phase = TypeOf<typeof phase>;

export const failure = z.object({
  phase,
  errno: z
    .string()
    .describe(
      "the errno's name; FIN where the peer closed in order, SELF where a connection was its own peer; the protocol's word where it refused, such as HTTP 503 or CLOSE 1008",
    ),
  count,
});
/** Failures of one kind. */
export type FailureReport = TypeOf<typeof failure>;
export const failures = z.array(failure).describe("of each kind, the most frequent first");

/** Where a run was: what it would have to be compared with elsewhere. */
export const hostDescription = z.object({
  kernel: z.string().describe("such as Linux 6.12.0"),
  arch: z.string(),
  node: z.string().describe("Node's version"),
  cpu: z.string(),
  cores: count.describe("that this process may use"),
  memoryBytes: count,
  nofileLimit: bound.describe("the hard RLIMIT_NOFILE: descriptors in one table"),
});
export type HostDescription = TypeOf<typeof hostDescription>;

export const hostLoad = z
  .object({
    othersShare: share.describe("of other programs"),
    stealShare: share.describe("of the hypervisor's others"),
  })
  .describe("shares of all CPUs that others took meanwhile; missing where that cannot be read");
export type HostLoad = TypeOf<typeof hostLoad>;

/** TLS of either side. */
export const tls = z
  .object({
    secured: count.describe("handshakes done"),
    resumed: count.describe("of them, by an earlier session"),
  })
  .describe("missing in the clear");
