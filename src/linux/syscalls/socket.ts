// TCP sockets by descriptor. Every function returns what the call returned, or a negative errno; nothing throws.
import type { Family } from "../../util/address.js";
import { AppError } from "../../util/errors.js";
import {
  AF_INET,
  AF_INET6,
  IP_BIND_ADDRESS_NO_PORT,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_IP,
  IPPROTO_TCP,
  MSG_NOSIGNAL,
  SO_ERROR,
  SO_LINGER,
  SO_REUSEADDR,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_INFO,
} from "./constants.js";
import { EINVAL, errnoName } from "./errno.js";
import { lastErrno, libc, NativeBuffer } from "./libc.js";
import { decodeSockaddr, describeSockaddr, SOCKADDR_SIZE, type SocketAddress } from "./sockaddr.js";

type SocketEnd = NonNullable<ReturnType<typeof decodeSockaddr>>;

const FLAGS = SOCK_NONBLOCK | SOCK_CLOEXEC;
const one = intBuffer(1);
/** struct linger { on, 0 seconds }: the close that it is set for sends RST. */
export const lingerZero = NativeBuffer.from(new Uint8Array(new Int32Array([1, 0]).buffer));
const intResult = new NativeBuffer(4);
const intLength = intBuffer(4);
const peer = new NativeBuffer(SOCKADDR_SIZE);
const own = new NativeBuffer(SOCKADDR_SIZE);
const portRange = new NativeBuffer(4);
const LISTEN_INFO_MAX_BACKLOG = 28;
const LISTEN_INFO_SIZE = LISTEN_INFO_MAX_BACKLOG + 4;
const listenInfo = new NativeBuffer(LISTEN_INFO_SIZE);
const listenInfoLength = intBuffer(LISTEN_INFO_SIZE);
const peerLength = intBuffer(SOCKADDR_SIZE);

/** A new non-blocking TCP socket. */
export function openTcp(family: Family): number {
  const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | FLAGS, 0);
  return fd < 0 ? -lastErrno() : fd;
}

/** A new UDP socket: connecting one asks the kernel for its route and sends nothing. */
export function openUdp(family: Family): number {
  const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | FLAGS, 0);
  return fd < 0 ? -lastErrno() : fd;
}

/** SO_REUSEADDR: lets one source port serve many destinations, and a server start again over TIME_WAITs. */
export function allowAddressReuse(fd: number): number {
  return check(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one.address, 4));
}

/** IP_BIND_ADDRESS_NO_PORT: binds the address now and leaves the port to connect(), which knows the 4-tuple. */
export function delayPortChoice(fd: number): number {
  return check(libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, one.address, 4));
}

/**
 * IP_LOCAL_PORT_RANGE: connect() may choose this port only. Unlike a port that is bound by its number, it stays everybody
 * else's for other 4-tuples. Ports outside of ip_local_port_range are not taken so, and kernels before 6.3 do not know it.
 */
export function allowOnlyPort(fd: number, port: number): number {
  portRange.bytes.writeUInt16LE(port, 0);
  portRange.bytes.writeUInt16LE(port, 2);
  return check(libc.setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, portRange.address, 4));
}

export function bindTo(fd: number, address: SocketAddress): number {
  return check(libc.bind(fd, address.address, address.length));
}

/** -EINPROGRESS is the usual answer: the handshake is on its way. */
export function connectTo(fd: number, address: SocketAddress): number {
  return check(libc.connect(fd, address.address, address.length));
}

export function listenOn(fd: number, backlog: number): number {
  return check(libc.listen(fd, backlog));
}

/**
 * How many connections may wait in a listening socket's accept queue: listen()'s backlog as net.core.somaxconn, and kernels that
 * kept it in 16 bits, have clamped it.
 *
 * @see struct tcp_info: tcpi_sacked is sk_max_ack_backlog in LISTEN
 */
export function backlogInForce(fd: number): number {
  listenInfoLength.bytes.writeInt32LE(LISTEN_INFO_SIZE);
  const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, listenInfo.address, listenInfoLength.address);
  return result < 0 ? -lastErrno() : listenInfo.bytes.readUInt32LE(LISTEN_INFO_MAX_BACKLOG);
}

/** Takes one connection off the accept queue: its descriptor, non-blocking. */
export function acceptFrom(listener: number): number {
  return check(libc.accept4(listener, 0, 0, FLAGS));
}

/** Like acceptFrom; the peer's address is then to be had from acceptedPeer(), until the next call. */
export function acceptWithPeer(listener: number): number {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  return check(libc.accept4(listener, peer.address, peerLength.address, FLAGS));
}

export function acceptedPeer(): { ip: string; port: number } {
  return describeSockaddr(peer.bytes);
}

/** Bytes received into `buffer`; 0 when the peer has finished. @param flags MSG_… of recv(2) */
export function receive(fd: number, buffer: NativeBuffer, length = buffer.bytes.length, flags = 0): number {
  return check(libc.recv(fd, buffer.address, length, flags));
}

/** Bytes taken by the kernel of `length` at `offset` in `buffer`; never raises SIGPIPE. */
export function sendBytes(fd: number, buffer: NativeBuffer, offset: number, length: number): number {
  return check(libc.send(fd, buffer.address + offset, length, MSG_NOSIGNAL));
}

export function closeFd(fd: number): number {
  return check(libc.close(fd));
}

/** Makes the last close send RST: what is unsent is dropped, neither side keeps a TIME_WAIT (SO_LINGER of zero seconds). */
export function resetOnClose(fd: number): number {
  return check(libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerZero.address, 8));
}

/** Closes with RST. */
export function resetFd(fd: number): number {
  resetOnClose(fd);
  return check(libc.close(fd));
}

/** The error that waits on a socket, as a positive errno, 0 for none; reading clears it. */
export function takeSocketError(fd: number): number {
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, intResult.address, intLength.address);
  return result < 0 ? lastErrno() : intResult.bytes.readInt32LE();
}

/** Whether a connection is its own other end: it was connected to the port that it has (simultaneous open, RFC 9293). */
export function isItsOwnPeer(fd: number): boolean {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  libc.getsockname(fd, own.address, peerLength.address);
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  if (libc.getpeername(fd, peer.address, peerLength.address) < 0) return false;
  // Behind the port sockaddr_in6 has a flow label, which need not be the same.
  const isV6 = peerLength.bytes.readInt32LE() === SOCKADDR_SIZE;
  const [from, to] = isV6 ? [8, 24] : [4, 8];
  return own.bytes.compare(peer.bytes, 2, 4, 2, 4) === 0 && own.bytes.compare(peer.bytes, from, to, from, to) === 0;
}

/** Both addresses of a connection, or a negative errno; no remote one when the peer has reset it already. */
export function endsOf(fd: number): { readonly local: SocketEnd; readonly remote: SocketEnd | undefined } | number {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  const named = check(libc.getsockname(fd, peer.address, peerLength.address));
  const local = decodeSockaddr(peer.bytes);
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  if (named < 0) return named;
  if (!local) return -EINVAL;
  const met = check(libc.getpeername(fd, peer.address, peerLength.address));
  return { local, remote: met < 0 ? undefined : decodeSockaddr(peer.bytes) };
}

/**
 * The socket's own address.
 *
 * @throws {AppError} E_SYSTEM when the kernel does not tell
 */
export function localAddress(fd: number): { ip: string; port: number } {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  const result = check(libc.getsockname(fd, peer.address, peerLength.address));
  if (result < 0) {
    throw new AppError("E_SYSTEM", `getsockname failed: ${errnoName(-result)}`, {
      fix: "this is a bug in fourtuple, or a sandbox forbids the call",
      facts: { errno: errnoName(-result) },
    });
  }
  return describeSockaddr(peer.bytes);
}

function check(result: number): number {
  // An errno of 0 with a failed call would read as success: it cannot happen, and must not loop if it does.
  return result < 0 ? -(lastErrno() || EINVAL) : result;
}

function intBuffer(value: number): NativeBuffer {
  return NativeBuffer.from(new Uint8Array(new Int32Array([value]).buffer));
}
