// The fleet's section of a client's result: which agents took part, their shares, and what became of them.
import { z } from "../../util/zod.js";
import { bound, count, failures, milliseconds, share, startedAt, type TypeOf } from "../fields.js";

const agentFacts = {
  id: z.string(),
  name: z.string().describe("unique within the run"),
  version: z.string().describe("version of fourtuple"),
  cores: count,
  memoryBytes: count,
  addresses: z.array(z.string()).describe("addresses of the agent's host, without loopback"),
};
const facts = z.object(agentFacts);
/** What an agent announces about its host. */
export type AgentFacts = TypeOf<typeof facts>;

/** What both roles say about an agent. */
export const agentFields = {
  ...agentFacts,
  ceiling: bound.describe("connections of this load that the agent could hold, by its own prediction"),
  limit: z.string().optional().describe("limit that determines the ceiling; missing if none applies"),
  state: z
    .enum(["ended", "lost", "left-out", "failed"])
    .describe(
      "ended: its result is part of this one; lost: it fell silent or its program ended; left-out: it was not ready in time; failed: its run ended with an error, or its result cannot be read",
    ),
  reason: z.string().optional().describe("why the result lacks this agent's part"),
  lostAt: startedAt.optional().describe("when the agent was found to be lost, UTC, by the coordinator's clock"),
  failures: failures.describe("failures and losses by kind, most frequent first"),
  clockOffsetMs: z.number().describe("the agent's clock minus the coordinator's; times in this result are corrected"),
  roundTripMs: milliseconds.describe("shortest round trip over NATS; the offset is uncertain by half of it"),
};

const agent = z.object({
  ...agentFields,
  requested: count.describe("its share of the connections, including those taken over from lost agents"),
  established: count.describe("for a lost agent, as of its last heartbeat, and not part of this result's counts"),
  openAtStop: count.describe("for a lost agent, open at its last heartbeat"),
  untaken: z
    .string()
    .optional()
    .describe("why other agents did not take over all of its connections; missing if they did, or were not asked"),
  failed: count,
  lost: count,
  startMs: z
    .number()
    .optional()
    .describe("time of its first connect() after the common start; missing if it had none or was lost"),
  cpuShare: share.optional().describe("share of the ramp during which the agent's CPU was the limit"),
  finding: z.string().optional().describe("the limit that stopped this agent, and what it means; missing if none did"),
});
/** One agent of a fleet's run. */
export type FleetAgent = TypeOf<typeof agent>;

export const fleet = z
  .object({
    run: z.string().describe("id of the run, for `fourtuple fleet result`"),
    onLost: z.enum(["abort", "continue", "redeal"]),
    isPartial: z.boolean().describe("whether an agent's part is missing"),
    missing: count.describe("connections requested from agents whose part is missing, and not taken over by others"),
    startSkewMs: milliseconds.describe("time between the first connect() of the first agent and that of the last"),
    agents: z.array(agent),
  })
  .describe("the agents of a run that was divided among several machines; missing for other runs");
export type FleetReport = TypeOf<typeof fleet>;
