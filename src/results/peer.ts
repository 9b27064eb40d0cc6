// The evidence that a client's run has beside its own counters: the server's end where that is this host, the way to it, and which
// connections were lost.
import { z } from "../util/zod.js";
import { bound, byName, count, milliseconds, port, type TypeOf } from "./fields.js";

const listener = z.object({
  ip: z.string(),
  port,
  acceptQueue: z.object({
    used: count,
    limit: count.optional().describe("missing out of /proc/net/tcp, which does not tell"),
  }),
  drops: count.optional().describe("what it has dropped while the run lasted"),
  uid: z.number(),
  inode: z.number().optional(),
  since: z
    .enum(["before", "replaced", "late"])
    .optional()
    .describe("listened when the run began, was made anew in mid-run, or was not there at first"),
});
export type PeerListener = TypeOf<typeof listener>;

const elsewhere = z
  .object({
    ip: z.string(),
    port,
    kind: z.enum(["listening", "bound"]).describe("bound: it has the port, and has not called listen()"),
    process: z.object({ pid: count, command: z.string() }).optional().describe("missing when it is not visible"),
  })
  .describe("a socket on a destination's port, at an address that no destination has");
export type ElsewhereListener = TypeOf<typeof elsewhere>;

const processFacts = z.object({
  pid: count,
  name: z.string().describe("/proc/PID/comm"),
  args: z.array(z.string()).describe("as it was started, or as it calls itself now; the first is the program"),
  isStopped: z.boolean().describe("by a signal (SIGSTOP), by a debugger, or frozen"),
  isFrozen: z.boolean().optional().describe("with its cgroup, as docker pause does"),
  nofileLimit: bound.optional().describe("soft RLIMIT_NOFILE; missing when it may not be read"),
  openDescriptors: count.optional().describe("in its main thread's table; missing when they may not be read"),
});
/** What /proc tells of another process. */
export type ProcessFacts = TypeOf<typeof processFacts>;

export const localPeer = z.object({
  listeners: z.array(listener).describe("LISTEN sockets on the destinations; none when nobody listens"),
  elsewhere: z
    .array(elsewhere)
    .optional()
    .describe("who has the destinations' ports at other addresses; missing where each destination has a listener"),
  process: processFacts
    .optional()
    .describe(
      "the process that has most of the sockets there, or, where an accept queue is not empty, of those that can take from it; missing when none is visible",
    ),
});
/** The other end of a run where it is on this host. */
export type LocalPeer = TypeOf<typeof localPeer>;

export const accepting = z.object({
  accepted: count.describe("ESTABLISHED, and a program's"),
  waiting: count.describe("ESTABLISHED, and nobody's yet: they wait in an accept queue"),
  synReceived: count.describe("the handshake's end is not seen, was dropped, or waits for data (TCP_DEFER_ACCEPT)"),
  isMoving: z.boolean().describe("some were accepted shortly before"),
});
/** The server's end of a run at the end of its hold. */
export type Accepting = TypeOf<typeof accepting>;

const refusingRoute = z.object({
  kind: z.enum(["route", "rule"]),
  type: z.enum(["blackhole", "unreachable", "prohibit", "throw"]),
  to: z.string().describe("the address that it was looked up for"),
  entry: z.string().describe("as ip route or ip rule prints it: blackhole 10.1.0.0/16"),
});
/** A route or a rule that refuses what goes to `to`. */
export type RefusingRoute = TypeOf<typeof refusingRoute>;

const filterRule = z.object({
  hook: z.string().describe("input, output, …: where the packet meets it"),
  table: z.string().describe("with its family: inet filter"),
  chain: z.string(),
  handle: count.optional().describe("as nft -a shows it; missing for the chain's policy"),
  verdict: z.enum(["drop", "reject", "policy-drop"]),
  port: port.optional().describe("the destination port that it is about; missing where it names none, or in a set"),
});
/** A rule of nftables that drops or rejects. */
export type FilterRule = TypeOf<typeof filterRule>;

export const localPath = z
  .object({
    failedAtOnce: byName.describe("failures that connect() itself returned, by errno: this host's own answers"),
    routes: z
      .array(refusingRoute)
      .optional()
      .describe("that refuse a destination, those that count first; missing where they may not be read"),
    rules: z
      .array(filterRule)
      .optional()
      .describe("of nftables, that drop or reject; missing where they may not be read"),
  })
  .describe("this host's own routes and firewall, when connections failed");
export type LocalPath = TypeOf<typeof localPath>;

const badSource = z.object({
  ip: z.string().describe("the source; of a destination without one, the destination"),
  problem: z
    .enum(["absent", "interface-down", "tentative", "duplicate", "nonlocal", "family-disabled", "no-route", "refused"])
    .describe(
      "absent: no interface has the address; tentative: IPv6's duplicate address detection has not finished; duplicate: another host has it; nonlocal: only a route of type local covers it; refused: bind() or connect() says another errno",
    ),
  detail: z.string().optional().describe("the interface, the setting or the errno that it is about"),
});
export type BadSource = TypeOf<typeof badSource>;

export const portShortage = z.object({
  badSources: z.array(badSource).describe("source addresses of the plan that cannot be bound, the first few"),
  badSourceCount: count,
  unreachable: z.array(badSource).describe("destinations that nothing leaves the host to"),
  timeWaits: count.describe("4-tuples of the plan in TIME_WAIT when the ramp was over"),
  timeWaitFirstMs: milliseconds.describe("until the first of them ends"),
  timeWaitLastMs: milliseconds.describe("until the last of them ends"),
  closing: count.describe("4-tuples of the plan that are closed at this end and wait for the peer"),
});
/** What stands behind EADDRNOTAVAIL. */
export type PortShortage = TypeOf<typeof portShortage>;

export const lossPattern = z
  .object({
    shortestHeldMs: milliseconds.describe("from ESTABLISHED until lost"),
    longestHeldMs: milliseconds,
    openedOverMs: milliseconds.describe("between the first and the last of those lost to be ESTABLISHED"),
    kept: count.describe("still open when the closing began, in threads that have lost some"),
    keptOlder: count.describe("of these, ESTABLISHED no later than the first of those lost"),
    keptYounger: count.describe("of these, ESTABLISHED no earlier than the last of those lost"),
    oldestKeptMs: milliseconds.describe("how long the oldest of those still open had been ESTABLISHED by then"),
  })
  .describe("which connections were lost: the oldest, the newest, or some of all ages");
export type LossPattern = TypeOf<typeof lossPattern>;
