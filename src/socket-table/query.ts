// Which sockets a reading is about: conditions on both ends. kernel-filter.ts has them as bytecode for the kernel, socket-test.ts
// as a test of our own.

import { TCP_STATES } from "../linux/syscalls/constants.js";
import type { SourceName } from "../results/sockets/owners.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import type { Family } from "../util/address.js";
import type { AddressRange } from "../util/address-range.js";
import type { PortRange } from "../util/endpoint.js";

/** What one end of a socket must have. What is not given may be anything. */
export interface EndQuery {
  /** The port lies in one of these. */
  readonly ports?: readonly PortRange[] | undefined;
  /** The address lies in one of these. IPv4 addresses match IPv4-mapped ones too. */
  readonly addresses?: readonly AddressRange[] | undefined;
  /** It meets one of these. */
  readonly oneOf?: readonly EndQuery[] | undefined;
}

/** Which sockets to look at: all conditions must hold. Nothing given means every TCP socket of the network namespace. */
export interface SocketQuery {
  /** Bits 1 << state of the kernel's numbers: see stateMask(); all when not given. */
  readonly states?: number | undefined;
  /** Sockets of this family only, as `ss -4` and `-6`: an IPv4-mapped socket is one of IPv6. */
  readonly family?: Family | undefined;
  /** The socket's own end. */
  readonly local?: EndQuery | undefined;
  /** The peer's end. */
  readonly remote?: EndQuery | undefined;
  /** One end, whichever, has this: both sides of a server's port. */
  readonly either?: EndQuery | undefined;
  /**
   * LISTEN sockets on 0.0.0.0 and :: pass conditions on the local address when they accept for it: 0.0.0.0 for IPv4, ::
   * for IPv6, and for IPv4 too unless it is IPV6_V6ONLY (which /proc does not tell).
   */
  readonly wildcardListeners?: boolean | undefined;
  /** Ask the kernel for each socket's memory as well (sock_diag only). */
  readonly memory?: boolean | undefined;
  /** Ask for what each connection has been through: round trips, retransmissions, bytes (sock_diag only). */
  readonly info?: boolean | undefined;
  /** Where to read. Default: sock_diag, and /proc/net/tcp where that is not to be had. */
  readonly source?: SourceName | undefined;
}

/** Every state but BOUND_INACTIVE, which is no state of a connection and which /proc does not have. */
export const ALL_STATES = 0x1ffe;

/** Bits 1 << state for state names. */
export function stateMask(states: readonly TcpState[]): number {
  return states.reduce((mask, state) => mask | (1 << TCP_STATES.indexOf(state)), 0);
}
