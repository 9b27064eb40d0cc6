// The predicted ceiling of connections on a host, shared by the terminal, `doctor --json` and the library's
// callers.
import { z } from "../util/zod.js";
import { bound, count, hostLoad, perSecond, startedAt, type TypeOf, version } from "./fields.js";
import { ENGINES, NETWORK_WAYS, PROGRAMS, SCHEME_NAMES, SETTING_REASONS, TRANSPORTS } from "./identifiers.js";
import { limitRow } from "./limits.js";

const program = z.enum(PROGRAMS).describe("ordinary: one descriptor table, source ports chosen by the kernel");
export type Program = TypeOf<typeof program>;
const role = z.enum(["server", "client", "both"]);
export type Role = TypeOf<typeof role>;

const ceiling = {
  ceiling: bound.describe(
    "number of connections of this load that this host can hold, as far as its limits are visible; unlimited if none of them applies",
  ),
  isTargetMet: z.boolean(),
  binding: limitRow.optional().describe("limit that determines the ceiling"),
};
const answer = z.object(ceiling);
/** Ceiling for one program. */
export type Answer = TypeOf<typeof answer>;

const sides = (of: typeof count) => z.object({ client: of, server: of });

const protocolCost = z.object({
  scheme: z.enum(SCHEME_NAMES),
  userBytes: sides(count).describe("memory of a connection in our programs"),
  cpuSecondsPerConnection: sides(count).describe("CPU time to open a connection until it is ready"),
  handshakesPerSec: z
    .object({ full: sides(perSecond), resumed: sides(perSecond).optional() })
    .optional()
    .describe("TLS connections that one core can open per second; missing without TLS, or if not measured"),
  heartbeats: z
    .object({
      name: z.enum(["ping", "PINGREQ"]),
      intervalSeconds: count,
      cpuSeconds: sides(count).describe("CPU time for a heartbeat and its answer"),
      wireBytes: count
        .optional()
        .describe(
          "bytes of a heartbeat and its answer on Ethernet, with headers and acknowledgements; missing if unreadable",
        ),
      perMillion: z
        .object({ cores: sides(count), bitsPerSec: count.optional() })
        .describe("cost of the heartbeats of 1,000,000 connections at that interval"),
    })
    .optional()
    .describe("the protocol's own heartbeats; missing if it has none, or if they were not measured"),
});
/** The cost of a connection with a protocol, by side. */
export type ProtocolCost = TypeOf<typeof protocolCost>;

const connectionCost = z.object({
  kernelBytesPerEnd: count,
  chargedBytesPerEnd: count.describe(
    "part charged to a memory cgroup; lower than the total, because sockets accepted by a server are allocated outside any cgroup",
  ),
  userBytesPerEnd: count.describe("memory in our programs; with a protocol, the average of both sides"),
  cpuSecondsPerConnection: count.describe("CPU time to open a connection, at both ends"),
  cpuSecondsPerMessage: count.describe("CPU time for a message and its answer, at both ends"),
  isMeasured: z.boolean(),
  areMessagesMeasured: z
    .boolean()
    .optional()
    .describe("whether the cost of messages was measured; missing if there are none, or nothing was measured"),
  isUserMemoryGiven: z
    .boolean()
    .optional()
    .describe("whether the user memory was given rather than measured with our programs"),
  protocol: protocolCost.optional().describe("costs by side; missing unless a protocol was requested"),
});
/** The resources that a connection uses on this host. */
export type ConnectionCost = TypeOf<typeof connectionCost>;

const network = z
  .object({
    way: z
      .enum(NETWORK_WAYS)
      .describe(
        "host: packets stay on this host; routed: a router has to send the source addresses here; same-link: this host answers for spare addresses of its own network",
      ),
    blocks: z.array(z.string()).describe("blocks of source addresses, such as 10.64.0.0/16"),
    links: z.array(z.string()).describe("interfaces that lead to the other end"),
    onLink: count.describe("number of source addresses that this host has to answer for"),
    changes: z
      .array(z.object({ name: z.string(), from: z.string(), to: z.string(), why: z.enum(SETTING_REASONS) }))
      .describe("changes to this host that a run makes with --apply, and reverts"),
  })
  .describe("how packets of a client without kernel sockets get to the other end and back");

const connectRate = z.object({
  requestedPerSec: perSecond.optional(),
  sustainedPerSec: bound.describe("unlimited if TIME_WAIT sockets are reused at once"),
  tuples: count.describe(
    "4-tuples towards the destination that no other connection holds, including those in TIME_WAIT",
  ),
  keptSeconds: count.describe("longest time in seconds for which a closed connection keeps its 4-tuple"),
  lastsSeconds: count.optional().describe("how long the requested rate can last; missing if forever"),
});
/** The rates at which this host can open and close connections, sustained and temporarily. */
export type ConnectRate = TypeOf<typeof connectRate>;

export const predictionSchema = z
  .object({
    kind: z.literal("prediction"),
    version,
    takenAt: startedAt,
    program: program.describe("program that the ceiling, limits and cost apply to"),
    answers: z.object({ ordinary: answer, fourtuple: answer }).describe("ceilings for both programs"),
    role,
    transport: z
      .enum(TRANSPORTS)
      .optional()
      .describe("packet: the client has no kernel sockets; missing if not requested"),
    network: network.optional(),
    target: z.string().optional(),
    connections: count,
    ...ceiling,
    next: z.array(limitRow).describe("the next three limits"),
    limits: z.array(limitRow).describe("all limits, worst first"),
    unknown: z.array(z.string()).describe("limits that could not be read, so the ceiling may be lower"),
    engines: z
      .object({ client: z.enum(ENGINES), server: z.enum(ENGINES) })
      .describe("I/O engines of fourtuple for this load, with which the cost is measured"),
    cost: connectionCost.extend({ bytesPerConnection: count }),
    notes: z.array(z.string()).describe("uncertainties of these figures, in sentences"),
    obstacle: z.string().optional().describe("why the cost was not measured; missing if it was, or was not requested"),
    hostLoad: hostLoad.optional(),
    cores: count,
    rampSeconds: count.describe("time to open all connections, limited only by CPU"),
    cpu: z
      .object({ connectionsPerSec: perSecond, messagesPerSec: perSecond })
      .describe("CPU limits, derived from measurements: connections opened and messages answered"),
    messages: z.object({ ratePerSec: perSecond, bytes: count }).describe("requested messages, over all connections"),
    rate: connectRate.optional().describe("rate of short-lived connections; missing for a server"),
    clients: z
      .object({
        addresses: count.describe("number of source addresses, using all of their ports"),
        hosts: count.describe("number of hosts like this one, or like the hypothetical one"),
      })
      .optional()
      .describe("clients needed on the other side; missing if the other side is this host"),
    isWhatIf: z.boolean().describe("whether hypothetical hardware was used instead of this host's"),
  })
  .meta({ title: "Prediction", description: "Output of `fourtuple doctor --json`" });
export interface Prediction extends TypeOf<typeof predictionSchema> {}
