// The summary of the socket table, shared by the terminal, `ports --json` and the library's
// callers.
import type { ZodType } from "zod";
import { z } from "../../util/zod.js";
import { count, milliseconds, port, startedAt, type TypeOf, version } from "../fields.js";
import { TCP_STATE_NAMES } from "../identifiers.js";
import { owner, ownerSummary, source } from "./owners.js";

/** Details of how the table was read. */
export const reading = {
  takenAt: startedAt,
  elapsedMs: milliseconds,
  source,
  fallbackErrno: z.string().optional().describe("name of the errno if sock_diag could not be used"),
  bpfErrno: z
    .string()
    .optional()
    .describe(
      "name of the errno if the table is large enough for BPF, but BPF could not be used: EPERM without CAP_BPF and CAP_PERFMON, ENOENT if the kernel does not describe its types",
    ),
  wasInterrupted: z.boolean(),
};

const states = z.enum(TCP_STATE_NAMES);
/** A TCP state, as in RFC 9293. */
export type TcpState = TypeOf<typeof states>;

const portRow = z.object({ port, sockets: count, established: count, isListening: z.boolean() });
export type PortRow = TypeOf<typeof portRow>;

const addressRow = z.object({ ip: z.string(), sockets: count });
export type AddressRow = TypeOf<typeof addressRow>;

const acceptedRow = z.object({
  ip: z.string(),
  port,
  sockets: count.describe("excluding the LISTEN socket itself"),
  established: count,
  peers: count.describe("number of distinct peer addresses"),
});
/** A local endpoint with a listening socket, and the connections it accepted. */
export type AcceptedRow = TypeOf<typeof acceptedRow>;

const destinationRow = z.object({
  ip: z.string(),
  port,
  sockets: count,
  established: count,
  timeWait: count,
  sources: count.describe("number of distinct source addresses"),
});
/** A remote endpoint to which sockets in this namespace opened connections. */
export type DestinationRow = TypeOf<typeof destinationRow>;

const listenerRow = z.object({
  ip: z.string(),
  port,
  family: z.literal([4, 6]),
  acceptQueue: z.object({
    used: count,
    limit: count.optional().describe("missing if read from /proc/net/tcp, which does not report it"),
  }),
  uid: count,
  inode: count,
  isV6Only: z
    .boolean()
    .describe("whether a socket on :: rejects IPv4; false if read from /proc, which does not report it"),
  established: count.describe(
    "ESTABLISHED connections accepted here that match the filter; each belongs to the most specific listener of its local address",
  ),
  sharedBy: count.describe(
    "number of LISTEN sockets at this address and port; SO_REUSEPORT sockets share `established`, because the accepting one is unknown",
  ),
});
export type ListenerRow = TypeOf<typeof listenerRow>;

const memory = z
  .object({
    chargedBytes: count.describe(
      "sum of the values below, options and backlog; excludes the socket itself (several KiB)",
    ),
    receiveAllocBytes: count,
    sendQueuedBytes: count,
    forwardAllocBytes: count,
    sockets: count.describe(
      "number of sockets measured; excludes LISTEN, and TIME_WAIT and SYN-queue requests, which have no memory of this kind",
    ),
    maxChargedBytes: count,
  })
  .describe("kernel memory summed over all sockets (SK_MEMINFO_*)");
export type MemorySummary = TypeOf<typeof memory>;

/** The top rows of a ranking that has `distinct` rows in all. */
export interface Ranking<Row> {
  readonly distinct: number;
  /** Rows sorted by number of sockets, in descending order. */
  readonly top: readonly Row[];
}

function ranking<Row extends ZodType>(row: Row) {
  return z.object({ distinct: count, top: z.array(row).describe("most sockets first") });
}

const counters = z
  .object({ listenOverflows: count.optional(), listenDrops: count.optional() })
  .describe("kernel counters since boot, over all listening sockets in the namespace; missing if not in /proc");

export const socketTableSchema = z
  .object({
    kind: z.literal("sockets"),
    version,
    ...reading,
    sockets: count.describe("number of sockets that match the filter, including LISTEN sockets"),
    byFamily: z.object({ ipv4: count, ipv6: count, mapped: count }),
    byState: z.partialRecord(states, count).describe("only states that occur"),
    byLocalPort: ranking(portRow),
    byLocalAddress: ranking(addressRow).describe("excludes LISTEN sockets, as do all rankings below"),
    byPeer: ranking(addressRow),
    accepted: ranking(acceptedRow).describe(
      "connections accepted by listening sockets in this namespace, by local endpoint",
    ),
    byDestination: ranking(destinationRow).describe("connections opened from here, by remote endpoint"),
    incoming: count.describe("number of accepted sockets"),
    outgoing: count.describe(
      "number of sockets opened from here; includes accepted ones whose listener no longer exists",
    ),
    listeners: z
      .array(listenerRow)
      .describe(
        "LISTEN sockets that match the filter's addresses and ports (including 0.0.0.0 and ::), whatever states it selects",
      ),
    counters,
    memory: memory.optional().describe("if requested"),
    owners: ownerSummary.optional().describe("with --process"),
    rates: z.object({ openedPerSec: z.number(), closedPerSec: z.number() }).optional().describe("with --watch"),
  })
  .meta({ title: "SocketTable", description: "Output of `fourtuple ports --json`" });
/** The summary of the socket table as a plain object. */
export interface SocketTable extends TypeOf<typeof socketTableSchema> {}

export const listenersSchema = z
  .object({
    kind: z.literal("listeners"),
    version,
    ...reading,
    listeners: z.array(
      listenerRow.extend({
        owner: owner.nullable().optional().describe("with --process; null if it is not visible"),
      }),
    ),
    accepted: ranking(acceptedRow),
    counters,
  })
  .meta({ title: "Listeners", description: "Output of `fourtuple ports --listening --json`" });
