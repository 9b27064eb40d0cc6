// System calls on TCP sockets, by descriptor. Functions return the call's result or a negative errno; only
// localAddress() throws.
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
  SHUT_RDWR,
  SO_ERROR,
  SO_LINGER,
  SO_NETNS_COOKIE,
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
/** struct linger { on, 0 seconds }: close() sends an RST. */
export const lingerZero = NativeBuffer.from(new Uint8Array(new Int32Array([1, 0]).buffer));
const intResult = new NativeBuffer(4);
const intLength = intBuffer(4);
const peer = new NativeBuffer(SOCKADDR_SIZE);
const own = new NativeBuffer(SOCKADDR_SIZE);
const portRange = new NativeBuffer(4);
const LISTEN_INFO_MAX_BACKLOG = 28;
const LISTEN_INFO_SIZE = LISTEN_INFO_MAX_BACKLOG + 4;
const INFO_SENT_SEGMENTS = 136;
const INFO_SIZE = INFO_SENT_SEGMENTS + 4;
const info = new NativeBuffer(INFO_SIZE);
const infoLength = intBuffer(INFO_SIZE);
const listenInfo = new NativeBuffer(LISTEN_INFO_SIZE);
const listenInfoLength = intBuffer(LISTEN_INFO_SIZE);
const peerLength = intBuffer(SOCKADDR_SIZE);

/** Creates a non-blocking TCP socket. */
export function openTcp(family: Family): number {
  const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_STREAM | FLAGS, 0);
  return fd < 0 ? -lastErrno() : fd;
}

/** Opens a UDP socket. Connecting a UDP socket determines the kernel's route without sending anything. */
export function openUdp(family: Family): number {
  const fd = libc.socket(family === 4 ? AF_INET : AF_INET6, SOCK_DGRAM | FLAGS, 0);
  return fd < 0 ? -lastErrno() : fd;
}

/**
 * Sets SO_REUSEADDR: a source port can be used for several destinations, and a server can restart despite sockets in
 * TIME_WAIT.
 */
export function allowAddressReuse(fd: number): number {
  return check(libc.setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, one.address, 4));
}

/**
 * Sets IP_BIND_ADDRESS_NO_PORT: bind() only sets the address, and connect() chooses the port once the 4-tuple is known.
 */
export function delayPortChoice(fd: number): number {
  return check(libc.setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, one.address, 4));
}

/**
 * Sets IP_LOCAL_PORT_RANGE: connect() may only choose this port. Unlike an explicitly bound port, the port stays
 * available to others for other 4-tuples. Ports outside ip_local_port_range are not allowed, and kernels before 6.3
 * lack the option.
 */
export function allowOnlyPort(fd: number, port: number): number {
  portRange.bytes.writeUInt16LE(port, 0);
  portRange.bytes.writeUInt16LE(port, 2);
  return check(libc.setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, portRange.address, 4));
}

export function bindTo(fd: number, address: SocketAddress): number {
  return check(libc.bind(fd, address.address, address.length));
}

/** Starts the handshake, and usually returns -EINPROGRESS. */
export function connectTo(fd: number, address: SocketAddress): number {
  return check(libc.connect(fd, address.address, address.length));
}

export function listenOn(fd: number, backlog: number): number {
  return check(libc.listen(fd, backlog));
}

/**
 * Returns the effective length of a listening socket's accept queue: listen()'s backlog, clamped by net.core.somaxconn
 * and, on older kernels, to 16 bits.
 *
 * @see struct tcp_info: tcpi_sacked is sk_max_ack_backlog in LISTEN
 */
export function backlogInForce(fd: number): number {
  listenInfoLength.bytes.writeInt32LE(LISTEN_INFO_SIZE);
  const result = libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, listenInfo.address, listenInfoLength.address);
  return result < 0 ? -lastErrno() : listenInfo.bytes.readUInt32LE(LISTEN_INFO_MAX_BACKLOG);
}

/**
 * Returns a number that identifies this thread's network namespace until the next boot, while the numbers in
 * /proc/self/ns are used again; undefined before Linux 5.14.
 */
export function readNetCookie(): string | undefined {
  const fd = openUdp(4);
  if (fd < 0) return undefined;
  const value = new NativeBuffer(8);
  const length = NativeBuffer.from(Uint8Array.of(8, 0, 0, 0));
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, value.address, length.address);
  libc.close(fd);
  return result < 0 ? undefined : `${value.bytes.readBigUInt64LE()}`;
}

/** Accepts a connection, and returns its non-blocking descriptor. */
export function acceptFrom(listener: number): number {
  return check(libc.accept4(listener, 0, 0, FLAGS));
}

/** Like acceptFrom(). acceptedPeer() then returns the peer's address until the next call. */
export function acceptWithPeer(listener: number): number {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  return check(libc.accept4(listener, peer.address, peerLength.address, FLAGS));
}

export function acceptedPeer(): { ip: string; port: number } {
  return describeSockaddr(peer.bytes);
}

/**
 * Returns the number of bytes received into `buffer`; 0 at end of file.
 * @param flags MSG_… of recv(2)
 */
export function receive(fd: number, buffer: NativeBuffer, length = buffer.bytes.length, flags = 0): number {
  return check(libc.recv(fd, buffer.address, length, flags));
}

/** Sends `length` bytes at `offset` in `buffer`. Returns the number of bytes accepted. Never raises SIGPIPE. */
export function sendBytes(fd: number, buffer: NativeBuffer, offset: number, length: number): number {
  return check(libc.send(fd, buffer.address + offset, length, MSG_NOSIGNAL));
}

export function closeFd(fd: number): number {
  return check(libc.close(fd));
}

/**
 * Closes a listening socket and releases its port immediately, even if accepts in io_uring that are being cancelled
 * still refer to the socket. Connections in the accept queue are reset.
 */
export function closeListener(fd: number): number {
  libc.shutdown(fd, SHUT_RDWR);
  return closeFd(fd);
}

/**
 * Makes the last close() send an RST (SO_LINGER of zero seconds). Unsent data is dropped, and neither side enters
 * TIME_WAIT.
 */
export function resetOnClose(fd: number): number {
  return check(libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerZero.address, 8));
}

/** Closes with an RST. */
export function resetFd(fd: number): number {
  resetOnClose(fd);
  return check(libc.close(fd));
}

/** Returns and clears the pending error of a socket as a positive errno; 0 for none. */
export function takeSocketError(fd: number): number {
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, intResult.address, intLength.address);
  return result < 0 ? lastErrno() : intResult.bytes.readInt32LE();
}

/**
 * Returns how many segments a socket has sent, SYNs included; -1 if the kernel does not report it (before Linux 4.2).
 */
export function sentSegments(fd: number): number {
  infoLength.bytes.writeInt32LE(INFO_SIZE);
  if (libc.getsockopt(fd, IPPROTO_TCP, TCP_INFO, info.address, infoLength.address) < 0) return -1;
  return infoLength.bytes.readInt32LE() < INFO_SIZE ? -1 : info.bytes.readUInt32LE(INFO_SENT_SEGMENTS);
}

/** Returns whether a socket is connected to itself, that is, to its own port (simultaneous open, RFC 9293). */
export function isItsOwnPeer(fd: number): boolean {
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  libc.getsockname(fd, own.address, peerLength.address);
  peerLength.bytes.writeInt32LE(SOCKADDR_SIZE);
  if (libc.getpeername(fd, peer.address, peerLength.address) < 0) return false;
  // Skip the flow label after the port in sockaddr_in6, which may differ.
  const isV6 = peerLength.bytes.readInt32LE() === SOCKADDR_SIZE;
  const [from, to] = isV6 ? [8, 24] : [4, 8];
  return own.bytes.compare(peer.bytes, 2, 4, 2, 4) === 0 && own.bytes.compare(peer.bytes, from, to, from, to) === 0;
}

/**
 * Returns both addresses of a connection, or a negative errno. `remote` is undefined if the peer has already reset the
 * connection.
 */
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
 * Returns the socket's local address.
 *
 * @throws {AppError} E_SYSTEM if getsockname() fails
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
  // A failed call always sets errno. Guard against 0 anyway, because it would be mistaken for success and might cause
  // an endless loop.
  return result < 0 ? -(lastErrno() || EINVAL) : result;
}

function intBuffer(value: number): NativeBuffer {
  return NativeBuffer.from(new Uint8Array(new Int32Array([value]).buffer));
}
