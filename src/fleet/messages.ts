// Messages between coordinator and agents, and their checks: whatever a peer sends is untrusted until parsed here.
import type { ConnectSnapshot } from "../client/snapshot.js";
import type { RunSpec } from "../planning/run-spec.js";
import type { AgentFacts } from "../results/fleet/fleet.js";
import { type CoarseHistogram, longestCoarse } from "../results/histogram/coarse.js";
import type { ServeSnapshot } from "../server/snapshot.js";
import { STEPS } from "../util/steps.js";
import { z } from "../util/zod.js";
import { refusal } from "./refusals.js";
import type { ServerSpec } from "./server-spec.js";
import { type FailureCounts, MOST_FAILURES } from "./sums/failures.js";
import type { CoarseHistograms } from "./sums/latencies.js";

/** Names and ids are parts of subjects and keys, and appear in text. */
const word = z.string().regex(/^[\w.-]{1,64}$/);
const id = z.string().regex(/^[\w-]{1,32}$/);
const number = z.number().finite();

/** Most limits of a host that an agent announces. */
const MOST_SHARED = 64;
/** Most addresses, and the longest list of destinations, in an announcement. */
export const MOST_ADDRESSES = 4096;
export const LONGEST_ALLOWS = 4096;

const announcement = z.object({
  id,
  name: word,
  version: z.string().max(64),
  cores: number,
  memoryBytes: number,
  addresses: z
    .array(z.string().max(64))
    .max(MOST_ADDRESSES)
    .describe("without loopback; the first ones, if there are many"),
  host: z.string().max(64).describe("identifies the machine and its boot; empty if unknown"),
  place: z.string().max(128).describe("identifies the network namespace; equal for agents that share one"),
  allows: z.string().max(LONGEST_ALLOWS).describe("destinations that the agent may open connections to"),
  run: id.optional().describe("the run that the agent takes part in"),
});
/** What agents of all versions say about themselves. */
const identity = announcement.pick({ name: true, version: true });
/** What an agent says about itself. */
export interface Announcement extends AgentFacts {
  readonly host: string;
  readonly place: string;
  readonly allows: string;
  readonly run?: string | undefined;
}

/** Intervals that the coordinator sets for a run. */
export interface Timing {
  /** Interval of heartbeats in both directions. */
  readonly heartbeatMs: number;
  /** Silence of the coordinator after which an agent stops. */
  readonly leaseMs: number;
}

/** A request to an agent. */
export type AgentRequest =
  | { readonly ask: "clock" }
  | { readonly ask: "ceiling"; readonly spec: RunSpec | ServerSpec }
  | {
      readonly ask: "prepare";
      readonly run: string;
      readonly version: string;
      readonly spec: RunSpec | ServerSpec;
      /** Connections of the whole run; 0 for one that serves. */
      readonly total: number;
      readonly timing: Timing;
    }
  /** Starts what was prepared, `atMs` by the agent's clock. */
  | { readonly ask: "start"; readonly run: string; readonly atMs: number }
  /** Opens further connections for an agent that was lost. */
  | {
      readonly ask: "extend";
      readonly run: string;
      /** Equal for requests that are repeated. */
      readonly extension: string;
      readonly spec: RunSpec;
      readonly total: number;
    }
  | { readonly ask: "stop"; readonly run: string };

const spec = z.looseObject({
  destinations: z.array(z.looseObject({})),
  connections: z.number().int().positive(),
  // What has an address to listen on is the spec of a server, and has to be valid as such.
  at: z.undefined().optional(),
});
const code = z.object({
  title: z.string().max(256),
  file: z.string().max(4096),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  data: z.object({ file: z.string().max(4096) }).optional(),
  contents: z.object({ code: z.string(), data: z.string().optional() }).optional(),
});
const serverSpec = z.looseObject({
  at: z.string().max(1024),
  base64: z.record(z.string(), z.string()),
  code: code.optional(),
});
const anySpec = z.union([spec, serverSpec]);
/** Shortest and longest lease. */
export const LEASES_MS = { least: 500, most: 600_000 } as const;
/** An agent is lost well before the lease of the others runs out. */
export const BEATS_PER_LEASE = 5;

const timing = z.object({
  heartbeatMs: z
    .number()
    .min(LEASES_MS.least / BEATS_PER_LEASE)
    .max(LEASES_MS.most / BEATS_PER_LEASE),
  leaseMs: z.number().min(LEASES_MS.least).max(LEASES_MS.most),
});
const agentRequest = z.discriminatedUnion("ask", [
  z.object({ ask: z.literal("clock") }),
  z.object({ ask: z.literal("ceiling"), spec: anySpec }),
  z.object({ ask: z.literal("prepare"), run: id, version: z.string(), spec: anySpec, total: number, timing }),
  z.object({ ask: z.literal("start"), run: id, atMs: number }),
  z.object({ ask: z.literal("extend"), run: id, extension: id, spec, total: number }),
  z.object({ ask: z.literal("stop"), run: id }),
]);

const sharedLimit = z.object({
  pool: z.string().max(256).describe("identifies what the limit is shared by; equal for agents that share it"),
  name: z.string().max(256),
  caps: z.string().max(64).optional(),
  allows: z.number().int().min(0).describe("connections of this load, of all agents that share it"),
});
/** A limit that an agent shares with the other agents of its machine, user, cgroup or network namespace. */
export type SharedLimit = z.infer<typeof sharedLimit>;

const ceiling = z.object({
  connections: z.number().int().min(0).describe("UNLIMITED if no limit applies"),
  limit: z.string().max(256).optional().describe("name of the limit; missing if none applies"),
  caps: z.string().max(64).optional(),
  addresses: z.number().int().min(0).describe("source addresses in use"),
  sources: z
    .array(z.string().max(64))
    .max(MOST_ADDRESSES)
    .optional()
    .describe("first of each range of source addresses in use, without loopback"),
  packet: z
    .array(z.object({ first: z.string().max(64), count: z.number().int().positive() }))
    .max(MOST_ADDRESSES)
    .optional()
    .describe("source addresses without kernel sockets"),
  tuplesPerAddress: z.number().int().positive().optional().describe("for each of those addresses"),
  shared: z.array(sharedLimit).max(MOST_SHARED).optional(),
});
/** How many connections of a load an agent can hold. */
export type Ceiling = z.infer<typeof ceiling>;

const clock = z.object({ nowMs: number });
const prepared = z.object({
  tuplesAvailable: number.optional(),
  address: z
    .object({ ip: z.string().max(64), lastIp: z.string().max(64).optional(), port: number })
    .optional()
    .describe("where an agent that serves listens; with lastIp, on a range of addresses"),
});
/** What an agent says when its part is ready to start. */
export type Prepared = z.infer<typeof prepared>;
const beat = z.object({
  agent: id,
  snapshot: z.record(z.string(), z.union([z.number(), z.string(), z.boolean()])).optional(),
  cores: number.optional().describe("cores that the program has used since the last heartbeat"),
  histograms: z
    .record(z.string(), z.custom<CoarseHistogram>(isCoarse))
    .optional()
    .describe("latencies since the start, by name; those without values are missing"),
  failures: z
    .array(z.object({ phase: z.enum(STEPS), cause: z.string().max(64), count: number }))
    .max(MOST_FAILURES)
    .optional()
    .describe("failures since the start by step and cause; missing if there are none"),
  isGone: z.boolean().optional().describe("the agent's program is ending"),
});
/** An agent's sign of life, with its counters once it has started. */
export interface Beat {
  readonly agent: string;
  readonly snapshot?: ConnectSnapshot | ServeSnapshot | undefined;
  readonly cores?: number | undefined;
  readonly histograms?: CoarseHistograms | undefined;
  readonly failures?: FailureCounts | undefined;
  readonly isGone?: boolean | undefined;
}

const part = z.object({
  agent: id,
  result: z.looseObject({}).optional(),
  reason: z.string().max(256).optional().describe("why the agent stopped of its own accord"),
  isLapsed: z.boolean().optional().describe("whether it stopped because its lease ran out"),
  failure: refusal.optional(),
});
/** The end of an agent's run: its result, or why it has none. */
export type Part = z.infer<typeof part>;

const runState = z.object({
  run: id,
  role: z.enum(["connect", "serve"]),
  startedAt: z.string().max(64),
  requested: number.optional(),
  open: number,
  agents: number,
  stage: z.string().max(16),
});
/** A run in progress, as `fleet runs` shows it. */
export type RunState = z.infer<typeof runState>;

/** @returns the parsed value; undefined if it is invalid */
const checked =
  <T>(schema: { safeParse(value: unknown): { success: boolean; data?: unknown } }) =>
  (value: unknown): T | undefined => {
    const parsed = schema.safeParse(value);
    return parsed.success ? (parsed.data as T) : undefined;
  };

export const parseIdentity = checked<Pick<Announcement, "name" | "version">>(identity);
export const parseAnnouncement = checked<Announcement>(announcement);
export const parseRequest = checked<AgentRequest>(agentRequest);
export const parseCeiling = checked<Ceiling>(ceiling);
export const parseClock = checked<{ nowMs: number }>(clock);
export const parsePrepared = checked<Prepared>(prepared);
export const parseBeat = checked<Beat>(beat);
export const parsePart = checked<Part>(part);
export const parseRunState = checked<RunState>(runState);

/** A schema for each number would cost more than all the rest of a heartbeat. */
function isCoarse(value: unknown): boolean {
  if (!Array.isArray(value) || value.length > longestCoarse()) return false;
  return value.every((number) => Number.isSafeInteger(number) && number >= 0);
}
