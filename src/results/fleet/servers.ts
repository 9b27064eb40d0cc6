// The fleet's section of a server's result: which agents served, where, and what became of them.
import { z } from "../../util/zod.js";
import { count, port, type TypeOf } from "../fields.js";
import { agentFields } from "./fleet.js";

const agent = z.object({
  ...agentFields,
  address: z
    .object({ ip: z.string(), lastIp: z.string().optional(), port })
    .optional()
    .describe("where it listened, with lastIp on a range of addresses; missing if it never did"),
  accepted: count.describe("for a lost agent, as of its last heartbeat, and not part of this result's counts"),
  peakOpen: count,
  openAtStop: count.describe("for a lost agent, open at its last heartbeat"),
  rejected: count,
});
/** One agent of a fleet that served. */
export type FleetServer = TypeOf<typeof agent>;

export const serverFleet = z
  .object({
    run: z.string().describe("id of the run, for `fourtuple fleet result`"),
    onLost: z.enum(["abort", "continue", "redeal"]),
    isPartial: z.boolean().describe("whether an agent's part is missing"),
    agents: z.array(agent),
  })
  .describe("the agents of a run that was served by several machines; missing for other runs");
export type ServerFleetReport = TypeOf<typeof serverFleet>;
