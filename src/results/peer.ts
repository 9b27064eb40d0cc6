// Evidence about a client's run beyond its own counters: the server side if it is on this host, the path to it, and
// which connections were lost.
import { z } from "../util/zod.js";
import { bound, byName, count, milliseconds, port, type TypeOf } from "./fields.js";

const listener = z.object({
  ip: z.string(),
  port,
  acceptQueue: z.object({
    used: count,
    limit: count.optional().describe("missing if read from /proc/net/tcp, which does not report it"),
  }),
  drops: count.optional().describe("number of connections dropped during the run"),
  uid: z.number(),
  inode: z.number().optional(),
  since: z
    .enum(["before", "replaced", "late"])
    .optional()
    .describe("whether it was listening when the run began, was replaced during the run, or started late"),
});
export type PeerListener = TypeOf<typeof listener>;

const elsewhere = z
  .object({
    ip: z.string(),
    port,
    kind: z
      .enum(["listening", "bound"])
      .describe("bound: the socket has the port, but its program has not called listen()"),
    process: z.object({ pid: count, command: z.string() }).optional().describe("missing if it is not visible"),
  })
  .describe("a socket on a destination's port, but at an address that is not a destination");
export type ElsewhereListener = TypeOf<typeof elsewhere>;

const processFacts = z.object({
  pid: count,
  name: z.string().describe("/proc/PID/comm"),
  args: z.array(z.string()).describe("arguments as started, or as changed by the process; the first is the program"),
  isStopped: z.boolean().describe("whether it is stopped by a signal (SIGSTOP) or a debugger, or frozen"),
  isFrozen: z.boolean().optional().describe("whether it is frozen with its cgroup, as by docker pause"),
  nofileLimit: bound.optional().describe("soft RLIMIT_NOFILE; missing if it cannot be read"),
  openDescriptors: count
    .optional()
    .describe("number of descriptors in its main thread's table; missing if they cannot be read"),
  connections: count
    .optional()
    .describe(
      "number of ESTABLISHED sockets on the destinations that it has accepted, from any client; missing in older results",
    ),
});
/** Facts about another process from /proc. */
export type ProcessFacts = TypeOf<typeof processFacts>;

export const localPeer = z.object({
  listeners: z.array(listener).describe("LISTEN sockets on the destinations; empty if there are none"),
  elsewhere: z
    .array(elsewhere)
    .optional()
    .describe("sockets on the destinations' ports at other addresses; missing if every destination has a listener"),
  process: processFacts
    .optional()
    .describe(
      "process with most of the sockets or, if an accept queue is not empty, with most among those that can accept from it; missing if none is visible",
    ),
  wasCutShort: z
    .boolean()
    .optional()
    .describe("true if the search for the process was cut short, because this host has many processes or open files"),
});
/** A run's server side, if it is on this host. */
export type LocalPeer = TypeOf<typeof localPeer>;

export const accepting = z.object({
  accepted: count.describe("ESTABLISHED connections that a program has accepted"),
  waiting: count.describe("ESTABLISHED connections waiting in an accept queue"),
  synReceived: count.describe(
    "handshakes whose last ACK is missing, was dropped, or must carry data (TCP_DEFER_ACCEPT)",
  ),
  isMoving: z.boolean().describe("whether some connections were accepted shortly before"),
});
/** A run's server side at the end of the hold. */
export type Accepting = TypeOf<typeof accepting>;

const refusingRoute = z.object({
  kind: z.enum(["route", "rule"]),
  type: z.enum(["blackhole", "unreachable", "prohibit", "throw"]),
  to: z.string().describe("address that was looked up"),
  entry: z.string().describe("in the format of ip route or ip rule: blackhole 10.1.0.0/16"),
});
/** A route or rule that rejects packets to `to`. */
export type RefusingRoute = TypeOf<typeof refusingRoute>;

const filterRule = z.object({
  hook: z.string().describe("where it applies to packets: input, output, …"),
  table: z.string().describe("including the family: inet filter"),
  chain: z.string(),
  handle: count.optional().describe("as shown by nft -a; missing for the chain's policy"),
  verdict: z.enum(["drop", "reject", "policy-drop"]),
  port: port.optional().describe("destination port that it matches; missing if it has none, or uses a set"),
});
/** An nftables rule that drops or rejects. */
export type FilterRule = TypeOf<typeof filterRule>;

export const localPath = z
  .object({
    failedAtOnce: byName.describe("failures returned by connect() itself, by errno; these originate on this host"),
    routes: z
      .array(refusingRoute)
      .optional()
      .describe("routes and rules that reject a destination, in order of precedence; missing if they cannot be read"),
    rules: z
      .array(filterRule)
      .optional()
      .describe("nftables rules that drop or reject; missing if they cannot be read"),
  })
  .describe("routes and firewall of this host; only if connections failed, or if data was not acknowledged");
export type LocalPath = TypeOf<typeof localPath>;

const badSource = z.object({
  ip: z.string().describe("source address; for a destination without a route, the destination"),
  problem: z
    .enum(["absent", "interface-down", "tentative", "duplicate", "nonlocal", "family-disabled", "no-route", "refused"])
    .describe(
      "absent: no interface has the address; tentative: IPv6 duplicate address detection has not completed; duplicate: another host has it; nonlocal: only a route of type local covers it; refused: bind() or connect() returned another errno",
    ),
  detail: z.string().optional().describe("interface, setting or errno concerned"),
});
export type BadSource = TypeOf<typeof badSource>;

export const portShortage = z.object({
  badSources: z.array(badSource).describe("planned source addresses that cannot be bound; the first few"),
  badSourceCount: count,
  unreachable: z.array(badSource).describe("destinations that cannot be reached from this host"),
  timeWaits: count.describe("number of planned 4-tuples in TIME_WAIT at the end of the ramp"),
  timeWaitFirstMs: milliseconds.describe("time until the first of these 4-tuples in TIME_WAIT expires"),
  timeWaitLastMs: milliseconds.describe("time until the last of these 4-tuples in TIME_WAIT expires"),
  closing: count.describe("number of planned 4-tuples that are closed at this end and waiting for the peer"),
});
/** Causes of EADDRNOTAVAIL. */
export type PortShortage = TypeOf<typeof portShortage>;

export const unacknowledged = z
  .object({
    connections: count.describe(
      "number of open connections whose oldest data the kernel had sent again at least twice, and which the peer's host had not acknowledged",
    ),
    unsent: count.describe(
      "number of open connections with data for which the peer has room, but which this host's kernel could not send",
    ),
    source: z.string(),
  })
  .describe("read from the kernel's socket table when the run had waited for answers in vain");
/** Connections whose data does not reach the peer's host, or whose acknowledgements do not return. */
export type Unacknowledged = TypeOf<typeof unacknowledged>;

export const lossPattern = z
  .object({
    shortestHeldMs: milliseconds.describe("time from ESTABLISHED to loss"),
    longestHeldMs: milliseconds,
    openedOverMs: milliseconds.describe(
      "time between the first and the last of the lost connections becoming ESTABLISHED",
    ),
    kept: count.describe("number still open when closing began, in threads that lost connections"),
    keptOlder: count.describe(
      "number of connections still open that were ESTABLISHED no later than the first lost connection",
    ),
    keptYounger: count.describe(
      "number of connections still open that were ESTABLISHED no earlier than the last lost connection",
    ),
    oldestKeptMs: milliseconds.describe("age of the oldest connection that was still open"),
  })
  .describe("which connections were lost, by age: the oldest, the newest, or any");
export type LossPattern = TypeOf<typeof lossPattern>;

export const outage = z
  .object({
    durationMs: milliseconds.describe(
      "time from a thread's first refused connection to its last, in the thread where it was longest",
    ),
    readyBefore: count.describe("number of connections that were ready before that time, in the threads that saw it"),
    establishedDuring: count.describe("number of connections that became ESTABLISHED in that time"),
    establishedAfter: count.describe("number of connections that became ESTABLISHED later"),
    endedAfter: count.describe("number of connections that the peer ended later, in a handshake or when open"),
  })
  .describe("when connections were refused (ECONNREFUSED); missing if none was, and in older results");
/** When a server refused connections, and what happened then. */
export type Outage = TypeOf<typeof outage>;
