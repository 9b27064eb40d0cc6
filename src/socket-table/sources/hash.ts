// Reads connections with a BPF program (linux/bpf/). The program takes a fraction of sock_diag's time per socket, but
// some milliseconds to start, and needs CAP_BPF and CAP_PERFMON.
import { HashDump } from "../../linux/bpf/hash-dump.js";
import { DiagSocket } from "../../linux/netlink/diag-socket.js";
import { readSockstat } from "../../linux/proc/procfs.js";
import { TCP_LISTEN } from "../../linux/syscalls/constants.js";
import { interfaceIndex } from "../../linux/syscalls/interface-names.js";
import type { PortRange } from "../../util/endpoint.js";
import { ALL_STATES, type EndQuery, isExact, type SocketQuery } from "../query.js";
import { toTest } from "../socket-test.js";
import type { GroupSink } from "./groups.js";
import { Pass, type SocketVisit, turns } from "./pass.js";

/** Number of sockets above which the program pays off. */
export const WORTH_SOCKETS = 20_000;
const HASHED = ALL_STATES & ~(1 << TCP_LISTEN);

/** Returns whether a query asks only for connections, and only for what the program can read. */
export function suitsHash(query: SocketQuery): boolean {
  const { tuplesOnly, withoutTimers, info, states = ALL_STATES, source, family } = query;
  if (!(tuplesOnly || withoutTimers) || info || (states & HASHED) === 0 || (states & ~ALL_STATES) !== 0) return false;
  if (source !== undefined) return source === "bpf";
  return isWorthwhile(readSockstat(), family);
}

/**
 * Returns whether enough sockets are in the table for the program to pay off.
 *
 * @param sockstat see readSockstat()
 */
export function isWorthwhile(sockstat: Readonly<Record<string, number>>, family?: 4 | 6): boolean {
  // The kernel counts sockets in use by family, but TIME_WAIT once for both. AF_INET6 sockets include IPv4-mapped ones.
  const { "TCP.inuse": ipv4 = 0, "TCP6.inuse": ipv6 = 0, "TCP.tw": timeWait = 0 } = sockstat;
  return (family === 6 ? 0 : ipv4) + (family === 4 ? 0 : ipv6) + timeWait >= WORTH_SOCKETS;
}

export interface HashRead {
  readonly sockets: number;
  /** Chains changed while they were being read, even after retries. */
  readonly wasInterrupted: boolean;
  readonly wasEnded: boolean;
  /** Groups do not tell what the summaries need, so the sockets must be read one by one. */
  readonly isAmbiguous?: boolean;
}

export interface HashOptions {
  /**
   * Includes all network namespaces that share the table. The inode of a socket is then the one of its namespace.
   */
  readonly everyNamespace?: boolean | undefined;
  /** Receives groups of sockets, so that only those in none are visited. */
  readonly groups?: GroupSink | undefined;
}

/**
 * Visits the sockets that match, in all states except LISTEN.
 *
 * @returns a negative errno if the program is refused, or cannot read the table to its end; see HashDump.error
 */
export async function readHash(
  query: SocketQuery,
  visit: SocketVisit,
  { everyNamespace, groups }: HashOptions = {},
): Promise<HashRead | number> {
  const { local, remote, either, family, states = ALL_STATES } = query;
  const dump = new HashDump({
    family,
    states: states & HASHED,
    localPorts: hull(local),
    remotePorts: hull(remote),
    eitherPorts: hull(either),
    everyNamespace,
    details: query.memory || query.withoutTimers,
    portBits: groups?.portBits,
  });
  try {
    const test = isExact(query) ? undefined : toTest(query, interfaceIndex);
    const pass = new Pass(new DiagSocket(dump.bytes), visit, test);
    await turns((each) => {
      const hasMore = dump.next(each);
      if (dump.error === 0) groups?.addPart(dump);
      return hasMore;
    }, pass);
    if (dump.error !== 0) return dump.error;
    const grouped = groups ? groups.finish(dump) : 0;
    const { wasInterrupted } = dump;
    return {
      sockets: pass.sockets + (grouped ?? 0),
      wasInterrupted,
      wasEnded: pass.wasEnded,
      isAmbiguous: grouped === undefined,
    };
  } finally {
    dump.close();
  }
}

/** Returns the smallest range that contains all ports of an end, for the test in the program. */
function hull(end: EndQuery | undefined): PortRange | undefined {
  if (!end?.ports?.length) return undefined;
  const { ports } = end;
  return {
    first: Math.min(...ports.map(({ first }) => first)),
    last: Math.max(...ports.map(({ last }) => last)),
  };
}
