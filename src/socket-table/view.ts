// A socket in the kernel's table as seen by a visitor: a single object that moves from socket to socket.

import type { SocketMemory } from "../linux/netlink/diag-message.js";
import type { SocketInfo } from "../linux/netlink/tcp-info.js";
import type { TcpState } from "../results/sockets/socket-table.js";
import type { Family, IpAddress } from "../util/address.js";

export type { SocketMemory } from "../linux/netlink/diag-message.js";
export type { SocketInfo } from "../linux/netlink/tcp-info.js";
export type { TcpState } from "../results/sockets/socket-table.js";

/** Kinds of timer of a socket (sock_diag(7), idiag_timer). */
export const TIMER = { none: 0, retransmission: 1, keepalive: 2, timeWait: 3, windowProbe: 4 } as const;

/** A socket, valid only during the visit. */
export interface SocketView {
  /** Returns a copy that stays valid after the visit. */
  copied(): SocketView;
  /** Family of the socket; 6 for IPv4-mapped addresses too. */
  readonly family: Family;
  /** State as the kernel's number; see TCP_STATES. Requests in the SYN queue are SYN_RECV. */
  readonly state: number;
  readonly stateName: TcpState;
  readonly localPort: number;
  readonly remotePort: number;
  /** IPv4 address, including IPv4-mapped ones, as an unsigned number: 2130706433 is 127.0.0.1. -1 for IPv6. */
  readonly localIpv4: number;
  readonly remoteIpv4: number;
  /** Address as text; IPv4-mapped addresses as IPv4. */
  readonly localIp: string;
  readonly remoteIp: string;
  /** Copy of the address, which stays valid after the visit; IPv4-mapped addresses as IPv4. */
  readonly localAddress: IpAddress;
  readonly remoteAddress: IpAddress;
  /** Returns 32 bits of an IPv6 address in memory order, index 0 to 3, for use as keys. */
  localWord(index: number): number;
  remoteWord(index: number): number;
  /** Inode; 0 if no descriptor refers to the socket: TIME_WAIT, orphans, requests in the SYN queue. */
  readonly inode: number;
  readonly uid: number;
  /**
   * ID of the cgroup (v2) in which the socket was created: the inode of its directory, 1 for the root. 0 if the source
   * does not report it: TIME_WAIT, requests in the SYN queue, /proc, Linux before 5.8. Do not use it in hot loops.
   */
  readonly cgroupId: number;
  /** Number of unread bytes; for a LISTEN socket, connections in its accept queue. */
  readonly receiveQueue: number;
  /**
   * Number of unacknowledged bytes; for a LISTEN socket, the accept queue's limit (0 if read from /proc, which does
   * not report it).
   */
  readonly sendQueue: number;
  /** Active timer; see TIMER. */
  readonly timer: number;
  /** Time until the timer fires, in milliseconds; 0 if none is active. */
  readonly timerMs: number;
  /** Index of the interface that the socket is bound to; 0 for any (and if read from /proc). */
  readonly interfaceIndex: number;
  /** Whether a LISTEN socket on :: rejects IPv4 (false if read from /proc, which does not report it). */
  readonly isV6Only: boolean;
  /**
   * Available only if requested by the query and not read from /proc. Reading this property allocates an object, so
   * do not use it in hot loops.
   */
  readonly memory: SocketMemory | undefined;
  /**
   * Available only if requested by the query and read via sock_diag; never available in TIME_WAIT and SYN_RECV. Also
   * allocates an object.
   */
  readonly info: SocketInfo | undefined;
  /**
   * Kernel memory currently charged to the socket, in bytes: receive and send queues, forward allocation, options,
   * backlog; 0 if not requested. Does not allocate.
   */
  readonly chargedBytes: number;
  /** Returns a single value of `memory` by index (SK_MEMINFO_* in linux/sock_diag.h); 0 if unavailable. */
  memoryValue(index: number): number;
}
