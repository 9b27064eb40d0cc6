// The socket table's sum: the same object for the terminal, `ports --json` and the library's caller.
import type { ZodType } from "zod";
import { z } from "../../util/zod.js";
import { count, milliseconds, port, startedAt, type TypeOf, version } from "../fields.js";
import { TCP_STATE_NAMES } from "../identifiers.js";
import { owner, ownerSummary, source } from "./owners.js";

/** How a reading of the table went. */
export const reading = {
  takenAt: startedAt,
  elapsedMs: milliseconds,
  source,
  fallbackErrno: z.string().optional().describe("why it was not sock_diag, as an errno's name"),
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
  sockets: count.describe("without the LISTEN socket itself"),
  established: count,
  peers: count.describe("distinct peer addresses"),
});
/** A local endpoint that a listening socket is on, with what it accepted. */
export type AcceptedRow = TypeOf<typeof acceptedRow>;

const destinationRow = z.object({
  ip: z.string(),
  port,
  sockets: count,
  established: count,
  timeWait: count,
  sources: count.describe("distinct source addresses"),
});
/** A remote endpoint that sockets of this namespace opened connections to. */
export type DestinationRow = TypeOf<typeof destinationRow>;

const listenerRow = z.object({
  ip: z.string(),
  port,
  family: z.literal([4, 6]),
  acceptQueue: z.object({
    used: count,
    limit: count.optional().describe("missing out of /proc/net/tcp, which does not tell"),
  }),
  uid: count,
  inode: count,
  isV6Only: z.boolean().describe("on ::, and takes no IPv4; false out of /proc, which does not tell"),
  established: count.describe(
    "ESTABLISHED connections accepted here that met the filter: a local address is that of its most specific listener",
  ),
  sharedBy: count.describe(
    "LISTEN sockets at this address and port; those of SO_REUSEPORT share `established`: who accepted is not to be told",
  ),
});
export type ListenerRow = TypeOf<typeof listenerRow>;

const memory = z
  .object({
    chargedBytes: count.describe(
      "all of what follows, options and backlog; what the socket itself takes (some KiB) is not in it",
    ),
    receiveAllocBytes: count,
    sendQueuedBytes: count,
    forwardAllocBytes: count,
    sockets: count.describe(
      "that were measured: LISTEN ones are not, TIME_WAIT and requests in the SYN queue have none",
    ),
    maxChargedBytes: count,
  })
  .describe("kernel memory of the sockets summed up (SK_MEMINFO_*)");
export type MemorySummary = TypeOf<typeof memory>;

/** A ranking's best rows out of `distinct`. */
export interface Ranking<Row> {
  readonly distinct: number;
  /** Most sockets first. */
  readonly top: readonly Row[];
}

function ranking<Row extends ZodType>(row: Row) {
  return z.object({ distinct: count, top: z.array(row).describe("most sockets first") });
}

const counters = z
  .object({ listenOverflows: count.optional(), listenDrops: count.optional() })
  .describe("the kernel's since boot, of all listening sockets of the namespace; missing where /proc has none");

export const socketTableSchema = z
  .object({
    kind: z.literal("sockets"),
    version,
    ...reading,
    sockets: count.describe("that met the filter, LISTEN ones included"),
    byFamily: z.object({ ipv4: count, ipv6: count, mapped: count }),
    byState: z.partialRecord(states, count).describe("only states that occur"),
    byLocalPort: ranking(portRow),
    byLocalAddress: ranking(addressRow).describe("LISTEN sockets aside, as in all below"),
    byPeer: ranking(addressRow),
    accepted: ranking(acceptedRow).describe(
      "connections that listening sockets of this namespace accepted, by local endpoint",
    ),
    byDestination: ranking(destinationRow).describe("connections opened from here, by remote endpoint"),
    incoming: count.describe("sockets that were accepted"),
    outgoing: count.describe("sockets opened from here; one whose listener is gone counts as opened"),
    listeners: z
      .array(listenerRow)
      .describe(
        "LISTEN sockets that met the filter's addresses and ports (0.0.0.0 and :: included), whatever states it asks for",
      ),
    counters,
    memory: memory.optional().describe("when asked for"),
    owners: ownerSummary.optional().describe("with --process"),
    rates: z.object({ openedPerSec: z.number(), closedPerSec: z.number() }).optional().describe("with --watch"),
  })
  .meta({ title: "SocketTable", description: "What `fourtuple ports --json` prints" });
/** The socket table in sum: one plain object. */
export interface SocketTable extends TypeOf<typeof socketTableSchema> {}

export const listenersSchema = z
  .object({
    kind: z.literal("listeners"),
    version,
    ...reading,
    listeners: z.array(
      listenerRow.extend({
        owner: owner.nullable().optional().describe("with --process; null where it is not visible"),
      }),
    ),
    accepted: ranking(acceptedRow),
    counters,
  })
  .meta({ title: "Listeners", description: "What `fourtuple ports --listening --json` prints" });
