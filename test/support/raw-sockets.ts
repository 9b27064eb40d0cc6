// Opens raw sockets with options that Node's `net` lacks, identified by descriptor. Each is closed at the end of its
// test.
import { onTestFinished } from "vitest";
import { EPOLLIN } from "../../src/linux/syscalls/constants.js";
import { Epoll } from "../../src/linux/syscalls/epoll.js";
import { libc, NativeBuffer } from "../../src/linux/syscalls/libc.js";
import { SocketAddress } from "../../src/linux/syscalls/sockaddr.js";
import {
  acceptFrom,
  allowAddressReuse,
  bindTo,
  closeFd,
  connectTo,
  listenOn,
  openTcp,
} from "../../src/linux/syscalls/socket.js";
import { parseIp } from "../../src/util/address.js";
import { DEADLINE_MS } from "./until.js";

const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IPPROTO_TCP = 6;
const TCP_DEFER_ACCEPT = 9;
/** Longer than a test takes. */
const DEFER_S = 60;
const EAGAIN = 11;
const EINPROGRESS = 115;

export interface RawListener {
  readonly backlog?: number;
  /** IPV6_V6ONLY. */
  readonly isV6Only?: boolean;
  /** SO_REUSEPORT. */
  readonly sharesPort?: boolean;
  /** TCP_DEFER_ACCEPT: until the client sends data, its connection stays in SYN_RECV at this end. */
  readonly defersAccept?: boolean;
}

/**
 * Opens a listening socket.
 * @returns its descriptor
 */
export function listenRaw(
  ip: string,
  port: number,
  { backlog = 1024, isV6Only, sharesPort, defersAccept }: RawListener = {},
): number {
  const address = parseIp(ip);
  const fd = open(address.family);
  allowAddressReuse(fd);
  if (address.family === 6) setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, isV6Only ? 1 : 0);
  if (sharesPort) setOption(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (defersAccept) setOption(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, DEFER_S);
  expectDone("bind", bindTo(fd, new SocketAddress(address, port)));
  expectDone("listen", listenOn(fd, backlog));
  return fd;
}

/**
 * Accepts everything in the accept queue.
 * @returns descriptors
 */
export function acceptAll(listener: number): number[] {
  const fds: number[] = [];
  for (;;) {
    const fd = acceptFrom(listener);
    if (fd === -EAGAIN) return fds;
    expectDone("accept4", fd);
    closeLater(fd);
    fds.push(fd);
  }
}

/**
 * Accepts this many connections. Waits for those whose handshake a busy kernel has not finished, which blocks this thread.
 * @returns descriptors
 */
export function acceptMany(listener: number, count: number): number[] {
  const epoll = new Epoll(1);
  expectDone("epoll_ctl", epoll.add(listener, EPOLLIN, 0));
  const fds = acceptAll(listener);
  while (fds.length < count && epoll.wait(DEADLINE_MS) > 0) fds.push(...acceptAll(listener));
  epoll.close();
  if (fds.length !== count) throw new Error(`accepted ${fds.length} connections instead of ${count}`);
  return fds;
}

/**
 * Opens a client's socket. Over loopback, the kernel usually finishes the handshake before this returns, but not when it
 * is busy.
 * @returns the socket's descriptor, or a negative errno of connect()
 */
export function connectRaw(to: string, port: number, from?: { readonly ip: string; readonly port?: number }): number {
  const address = parseIp(to);
  const fd = open(address.family);
  if (from) {
    allowAddressReuse(fd);
    expectDone("bind", bindTo(fd, new SocketAddress(parseIp(from.ip), from.port ?? 0)));
  }
  const result = connectTo(fd, new SocketAddress(address, port));
  return result < 0 && result !== -EINPROGRESS ? result : fd;
}

export function setOption(fd: number, level: number, name: number, value: number): void {
  const bytes = NativeBuffer.from(new Uint8Array(Int32Array.of(value).buffer));
  expectDone("setsockopt", libc.setsockopt(fd, level, name, bytes.address, 4));
}

function open(family: 4 | 6): number {
  const fd = openTcp(family);
  expectDone("socket", fd);
  closeLater(fd);
  return fd;
}

const opened = new Set<number>();

function closeLater(fd: number): void {
  opened.add(fd);
  onTestFinished(() => close(fd));
}

/** Closes a socket before its test ends. */
export function close(fd: number): void {
  // Close only once, because the number may belong to another socket by the end of the test.
  if (opened.delete(fd)) closeFd(fd);
}

/**
 * Leaves the closing of a socket to the caller.
 * @returns its descriptor
 */
export function release(fd: number): number {
  opened.delete(fd);
  return fd;
}

function expectDone(call: string, result: number): void {
  if (result < 0) throw new Error(`${call}: errno ${-result}`);
}
