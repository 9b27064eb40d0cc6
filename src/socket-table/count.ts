// Counts sockets in the kernel's table, as a check on fourtuple's own counters.

import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { IpAddress } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import { KnownListeners } from "./listeners/listeners.js";
import type { EndQuery } from "./query.js";
import type { GroupVisitor } from "./sources/groups.js";
import { readTogether, type SummaryPart } from "./sources/together.js";
import { readTable, type SocketQuery, type SocketVisit } from "./table.js";

/** Number of sockets visited between checks of the clock. */
const CHECK_EVERY = 1024;

export interface PortFilter {
  /** Which end of the socket must match. */
  readonly end: "local" | "remote";
  /** Ports to match, at any address. */
  readonly ports?: PortRange;
  /** Addresses to match. */
  readonly ips?: readonly IpAddress[];
  /** Endpoints as a query, such as the result of endpointsQuery(); replaces `ports` and `ips`. */
  readonly endpoints?: EndQuery;
  /** Bits 1 << state; default: ESTABLISHED only. */
  readonly states?: number;
}

export interface SocketCount {
  readonly sockets: number;
  readonly source: SourceName;
}

/**
 * Counts TCP sockets in this network namespace, IPv4 and IPv6, that match the filter.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function countSockets(filter: PortFilter): Promise<SocketCount> {
  const { sockets, source } = await readTable(toQuery(filter), () => () => true);
  return { sockets, source };
}

/** Sockets at both ends of connections, as far as both are on this host. */
export interface EndCounts {
  readonly incoming: number;
  readonly outgoing: number;
  readonly source: SourceName;
}

/**
 * Counts the ESTABLISHED sockets of connections to these endpoints, at both ends in one reading.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function countEnds(endpoints: EndQuery): Promise<EndCounts> {
  const known = await KnownListeners.read(undefined);
  const incoming = new SocketCounter(toQuery({ end: "local", endpoints }));
  const outgoing = new SocketCounter(toQuery({ end: "remote", endpoints }));
  const { local: _, ...others } = incoming.query;
  const { source } = await readTogether({ ...others, either: endpoints }, [incoming, outgoing], known);
  return { incoming: incoming.sockets, outgoing: outgoing.sockets, source };
}

class SocketCounter implements SummaryPart {
  sockets = 0;
  readonly query: SocketQuery;
  readonly groups: GroupVisitor = {
    addGroup: (_, sockets) => {
      this.sockets += sockets;
    },
  };

  constructor(query: SocketQuery) {
    this.query = query;
  }

  begin(): SocketVisit {
    this.sockets = 0;
    return () => {
      this.sockets++;
    };
  }
}

/**
 * Like countSockets(), with a timeout.
 *
 * @returns undefined if the table cannot be read within `timeoutMs`
 */
export async function countSocketsWithin(filter: PortFilter, timeoutMs: number): Promise<SocketCount | undefined> {
  const endMs = performance.now() + timeoutMs;
  let isLate = false;
  const begin = () => {
    let visited = 0;
    return () => {
      if (++visited % CHECK_EVERY === 0) isLate = performance.now() > endMs;
      return !isLate;
    };
  };
  try {
    const { sockets, source } = await readTable(toQuery(filter), begin);
    return isLate ? undefined : { sockets, source };
  } catch {
    return undefined;
  }
}

function toQuery({ end, ports, ips, endpoints, states }: PortFilter): SocketQuery {
  const query = endpoints ?? {
    ports: ports && [ports],
    addresses: ips?.map((first) => ({ first, count: 1 })),
  };
  return {
    states: states ?? 1 << TCP_ESTABLISHED,
    tuplesOnly: true,
    ...(end === "local" ? { local: query } : { remote: query }),
  };
}
