// One socket of the kernel's table as a visitor sees it: an object that is moved from socket to socket.

import type { SocketMemory } from "../linux/netlink/diag-message.js";
import type { SocketInfo } from "../linux/netlink/tcp-info.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import type { Family, IpAddress } from "../util/address.js";

export type { SocketMemory } from "../linux/netlink/diag-message.js";
export type { SocketInfo } from "../linux/netlink/tcp-info.js";
export type { TcpState } from "../results/sockets/socket-table.js";

/** Timers of a socket (inet_diag(7), idiag_timer). */
export const TIMER = { none: 0, retransmission: 1, keepalive: 2, timeWait: 3, windowProbe: 4 } as const;

/** A socket during the visit that it is given to. */
export interface SocketView {
  /** The socket's family: 6 for an IPv4-mapped one too. */
  readonly family: Family;
  /** The kernel's number: see TCP_STATES. A request in the SYN queue is SYN_RECV. */
  readonly state: number;
  readonly stateName: TcpState;
  readonly localPort: number;
  readonly remotePort: number;
  /** IPv4, IPv4-mapped ones included, as an unsigned number: 2130706433 is 127.0.0.1. -1 for IPv6. */
  readonly localIpv4: number;
  readonly remoteIpv4: number;
  /** The address as text; an IPv4-mapped one as its IPv4 address. */
  readonly localIp: string;
  readonly remoteIp: string;
  /** The address in bytes of its own: a copy that may be kept. IPv4-mapped ones as IPv4. */
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  /** 32 bits of an IPv6 address as they lie in memory, index 0 to 3: for keys. */
  localWord(index: number): number;
  remoteWord(index: number): number;
  /** 0 where no descriptor is left: TIME_WAIT, orphans, requests in the SYN queue. */
  readonly inode: number;
  readonly uid: number;
  /** Bytes not yet read; of a LISTEN socket, connections in its accept queue. */
  readonly receiveQueue: number;
  /** Bytes not yet acknowledged; of a LISTEN socket, the accept queue's limit (0 out of /proc, which does not tell). */
  readonly sendQueue: number;
  /** The timer that runs: see TIMER. */
  readonly timer: number;
  /** Until it fires, in milliseconds; 0 when none runs. */
  readonly timerMs: number;
  /** The interface index it is bound to; 0 for any (and out of /proc). */
  readonly interfaceIndex: number;
  /** A LISTEN socket on :: that does not take IPv4 (false out of /proc, which does not tell). */
  readonly isV6Only: boolean;
  /** When the query asks for memory and the source is sock_diag. A new object: not for the hot path. */
  readonly memory: SocketMemory | undefined;
  /** When the query asks for it and the source is sock_diag; TIME_WAIT and SYN_RECV have none. A new object, too. */
  readonly info: SocketInfo | undefined;
  /** Bytes of kernel memory charged to it now: receive and send queue, what is reserved ahead, options, backlog; 0 where not asked for. No object is made. */
  readonly chargedBytes: number;
  /** One of the numbers of `memory` by its place (SK_MEMINFO_* of linux/sock_diag.h); 0 where there are none. */
  memoryValue(index: number): number;
}
