// How many sockets the kernel's own table shows: the evidence beside every count of ours.

import { TCP_ESTABLISHED } from "../linux/syscalls/constants.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { IpAddress } from "../util/address.js";
import type { PortRange } from "../util/endpoint.js";
import type { EndQuery } from "./query.js";
import { readTable, type SocketQuery } from "./table.js";

/** Sockets between two looks at the clock. */
const LOOK_EVERY = 1024;

export interface PortFilter {
  /** Which end of the socket must be one of the endpoints. */
  readonly end: "local" | "remote";
  /** These ports at any address. */
  readonly ports?: PortRange;
  /** These addresses. */
  readonly ips?: readonly IpAddress[];
  /** The endpoints as a query, such as endpointsQuery() makes; instead of `ports` and `ips`. */
  readonly endpoints?: EndQuery;
  /** Bits 1 << state; default ESTABLISHED only. */
  readonly states?: number;
}

export interface SocketCount {
  readonly sockets: number;
  readonly source: SourceName;
}

/**
 * Counts the TCP sockets, IPv4 and IPv6, of this network namespace that pass the filter.
 *
 * @throws {AppError} E_PERMISSION or E_SYSTEM when the table cannot be read
 */
export async function countSockets(filter: PortFilter): Promise<SocketCount> {
  const { sockets, source } = await readTable(toQuery(filter), () => () => true);
  return { sockets, source };
}

/**
 * As countSockets(), but gives up.
 *
 * @returns undefined when the table cannot be read, or not in `timeoutMs`
 */
export async function countSocketsWithin(filter: PortFilter, timeoutMs: number): Promise<SocketCount | undefined> {
  const endMs = performance.now() + timeoutMs;
  let isLate = false;
  const begin = () => {
    let visited = 0;
    return () => {
      if (++visited % LOOK_EVERY === 0) isLate = performance.now() > endMs;
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
  return { states: states ?? 1 << TCP_ESTABLISHED, ...(end === "local" ? { local: query } : { remote: query }) };
}
