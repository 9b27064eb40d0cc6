// Queries for sockets: conditions on both ends. kernel-filter.ts converts them to kernel bytecode, and socket-test.ts
// to a predicate.

import { TCP_STATES } from "../linux/syscalls/constants.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import type { Family } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import type { PortRange } from "../util/endpoint.js";

/** Conditions on one end of a socket. Omitted ones match anything. */
export interface EndQuery {
  /** The port is in one of these ranges. */
  readonly ports?: readonly PortRange[] | undefined;
  /** The address is in one of these ranges. IPv4 addresses also match IPv4-mapped addresses. */
  readonly addresses?: readonly AddressRange[] | undefined;
  /** One of these matches. */
  readonly oneOf?: readonly EndQuery[] | undefined;
}

/** Selects sockets. All conditions must hold; an empty query matches every TCP socket in the network namespace. */
export interface SocketQuery {
  /** Bits 1 << state, with the kernel's numbers; see stateMask(). Default: all states. */
  readonly states?: number | undefined;
  /** Restricts the query to sockets of this family, like `ss -4` and `-6`. IPv4-mapped sockets belong to IPv6. */
  readonly family?: Family | undefined;
  /** Condition on the local end. */
  readonly local?: EndQuery | undefined;
  /** Condition on the remote end. */
  readonly remote?: EndQuery | undefined;
  /** Condition on either end, for both sides of a server's port. */
  readonly either?: EndQuery | undefined;
  /**
   * Whether LISTEN sockets on 0.0.0.0 and :: match conditions on the local address if they accept connections to it:
   * 0.0.0.0 for IPv4, and :: for IPv6 and, unless it is IPV6_V6ONLY (unknown in /proc), for IPv4.
   */
  readonly wildcardListeners?: boolean | undefined;
  /** Whether to request the kernel memory of each socket, too (not from /proc). */
  readonly memory?: boolean | undefined;
  /**
   * Whether to request the statistics of each connection: round-trip times, retransmissions, bytes (sock_diag only).
   */
  readonly info?: boolean | undefined;
  /**
   * Whether the visitor needs only the addresses, ports, state, family and interface of connections, so that a BPF
   * program can read them if the table is large.
   */
  readonly tuplesOnly?: boolean | undefined;
  /**
   * Like `tuplesOnly`, for a visitor that also needs inodes, users, cgroups and queues: all but timers, statistics and cookies.
   */
  readonly withoutTimers?: boolean | undefined;
  /**
   * Source to read. Default: BPF for a large table if `tuplesOnly` or `withoutTimers`, else sock_diag, or /proc/net/tcp if that is
   * unavailable. Listeners, and anything else that BPF cannot read, come from sock_diag even if BPF is requested.
   */
  readonly source?: SourceName | undefined;
}

/** All states except BOUND_INACTIVE, which is not the state of a connection and does not exist in /proc. */
export const ALL_STATES = 0x1ffe;

/** Returns the bits 1 << state for state names. */
export function stateMask(states: readonly TcpState[]): number {
  return states.reduce((mask, state) => mask | (1 << TCP_STATES.indexOf(state)), 0);
}

/** Returns whether ranges of ports express all conditions on the ends. */
export function isExact({ local, remote, either }: SocketQuery): boolean {
  return [local, remote, either].every(
    (end) => end === undefined || (end.ports?.length === 1 && !end.addresses && !end.oneOf),
  );
}
