// Kernel constants and struct layouts, identical on Linux x64 and arm64 unless noted (asm-generic).

import { TCP_STATE_NAMES } from "../../results/identifiers.js";

export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0x800;
export const SOCK_CLOEXEC = 0x80000;

export const SOL_SOCKET = 1;
export const SO_REUSEADDR = 2;
export const SO_ERROR = 4;
/** Since Linux 5.14. */
export const SO_NETNS_COOKIE = 71;
export const SO_RCVBUF = 8;
export const SO_LINGER = 13;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const TCP_INFO = 11;
export const IP_BIND_ADDRESS_NO_PORT = 24;
/** Available since Linux 6.3. */
export const IP_LOCAL_PORT_RANGE = 51;
/** Makes a call return EAGAIN instead of blocking. */
export const MSG_DONTWAIT = 0x40;
/** In io_uring: retries until everything has been sent. */
export const MSG_WAITALL = 0x100;
export const MSG_NOSIGNAL = 0x4000;
/** For shutdown(): both directions. A listening socket stops listening. */
export const SHUT_RDWR = 2;
/** Makes recv() leave the data in the receive queue. */
export const MSG_PEEK = 0x2;
/**
 * On a TCP socket, makes recv() discard data from the receive queue without copying it (tcp(7)).
 */
export const MSG_TRUNC = 0x20;

/** System call number of epoll_pwait2() on all architectures (Linux 5.11 and later). */
export const SYS_EPOLL_PWAIT2 = 441;
export const SYS_PIDFD_OPEN = 434;
export const SYS_PIDFD_GETFD = 438;
export const EPOLL_CLOEXEC = 0x80000;
export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
export const EPOLLEXCLUSIVE = 1 << 28;
// Bit 31 as a signed integer, as seen by Int32Array and the system call.
export const EPOLLET = 1 << 31;

/** struct epoll_event in 32-bit words: packed on x64 (12 bytes), aligned elsewhere (16 bytes). */
export const EPOLL_EVENT_WORDS = process.arch === "x64" ? 3 : 4;
export const EPOLL_DATA_WORD = process.arch === "x64" ? 1 : 2;

export const EFD_NONBLOCK = 0x800;
export const EFD_CLOEXEC = 0x80000;
export const CLONE_FILES = 0x400;
export const RLIMIT_NOFILE = 7;
export const RLIMIT_MEMLOCK = 8;

/** TCP states by kernel number. The first and the last state are kernel-internal. */
export const TCP_STATES = ["UNKNOWN", ...TCP_STATE_NAMES, "NEW_SYN_RECV"] as const;
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_RECV = 3;
export const TCP_TIME_WAIT = 6;
export const TCP_LISTEN = 10;
