// The ceiling of connections on a host, predicted: the same object for the terminal, `doctor --json` and the library's caller.
import { z } from "../util/zod.js";
import { bound, count, hostLoad, perSecond, startedAt, type TypeOf, version } from "./fields.js";
import { PROGRAMS } from "./identifiers.js";
import { limitRow } from "./limits.js";

const program = z.enum(PROGRAMS).describe("ordinary: one descriptor table, source ports that the kernel chooses");
export type Program = TypeOf<typeof program>;
const role = z.enum(["server", "client", "both"]);
export type Role = TypeOf<typeof role>;

const ceiling = {
  ceiling: bound.describe(
    "connections that this host holds of this load, as far as its limits can be seen; unlimited where none of those bounds it",
  ),
  isTargetMet: z.boolean(),
  binding: limitRow.optional().describe("the limit that is the ceiling"),
};
const answer = z.object(ceiling);
/** What one program can do of what is wanted. */
export type Answer = TypeOf<typeof answer>;

const connectionCost = z.object({
  kernelBytesPerEnd: count,
  chargedBytesPerEnd: count.describe(
    "what of it a memory cgroup is charged with: less, as sockets that a server accepts are made outside of any",
  ),
  userBytesPerEnd: count.describe("in our programs"),
  cpuSecondsPerConnection: count.describe("to open one, both ends"),
  cpuSecondsPerMessage: count.describe("for a message and its answer, both ends"),
  isMeasured: z.boolean(),
  isUserMemoryGiven: z.boolean().optional().describe("not taken from programs of ours"),
});
/** What one connection takes of this host. */
export type ConnectionCost = TypeOf<typeof connectionCost>;

const connectRate = z.object({
  requestedPerSec: perSecond.optional(),
  sustainedPerSec: bound.describe("unlimited where TIME_WAITs are taken over at once"),
  tuples: count.describe(
    "4-tuples towards the destination that no other connection holds; those in TIME_WAIT are among them",
  ),
  keptSeconds: count.describe("how long a closed connection keeps its 4-tuple, of those that are kept longest"),
  lastsSeconds: count.optional().describe("how long the rate asked about lasts; missing for ever"),
});
/** How many connections a second this host can open and close, for ever and for a while. */
export type ConnectRate = TypeOf<typeof connectRate>;

export const predictionSchema = z
  .object({
    kind: z.literal("prediction"),
    version,
    takenAt: startedAt,
    program: program.describe("whose ceiling, limits and cost these are"),
    answers: z.object({ ordinary: answer, fourtuple: answer }).describe("the ceilings of both programs"),
    role,
    target: z.string().optional(),
    connections: count,
    ...ceiling,
    next: z.array(limitRow).describe("the three behind it"),
    limits: z.array(limitRow).describe("every limit, the worst first"),
    unknown: z.array(z.string()).describe("limits that could not be read: the ceiling may be lower"),
    cost: connectionCost.extend({ bytesPerConnection: count }),
    notes: z.array(z.string()).describe("what is not certain about these numbers, in sentences"),
    obstacle: z.string().optional().describe("why the cost was not measured; missing when it was, or was not to be"),
    hostLoad: hostLoad.optional(),
    cores: count,
    rampSeconds: count.describe("how long opening them all takes, as far as the CPU goes"),
    cpu: z
      .object({ connectionsPerSec: perSecond, messagesPerSec: perSecond })
      .describe("what the CPU does at most, by what was measured: connections opened, and messages answered"),
    messages: z.object({ ratePerSec: perSecond, bytes: count }).describe("that are wanted, over all connections"),
    rate: connectRate.optional().describe("connections that come and go; missing for a server"),
    clients: z
      .object({
        addresses: count.describe("source addresses with all of their ports"),
        hosts: count.describe("like this one, or like the one asked about"),
      })
      .optional()
      .describe("what the other side must bring; missing where it is this host"),
    isWhatIf: z.boolean().describe("the facts are not this host's alone: other hardware was asked about"),
  })
  .meta({ title: "Prediction", description: "What `fourtuple doctor --json` prints" });
export interface Prediction extends TypeOf<typeof predictionSchema> {}
