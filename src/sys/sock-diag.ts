// The kernel's socket table over netlink (man 7 sock_diag): dump requests, and replies received in place, so that
// millions of sockets pass without an object each. Reading one socket is left to diag-socket.ts, filters to diag-filter.ts.
import type { Family } from "../base/address.js";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  IPPROTO_TCP,
  SO_RCVBUF,
  SOCK_CLOEXEC,
  SOCK_RAW,
  SOL_SOCKET,
} from "./constants.js";
import { EINTR } from "./errno.js";
import { lastErrno, libc, NativeBuffer } from "./libc.js";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const TCPDIAG_GETSOCK = 18;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const REQUEST_V2 = HEADER + 56;
const REQUEST_V1 = HEADER + 60;
const INET_DIAG_REQ_BYTECODE = 1;

// The kernel makes datagrams of at most 32 KiB, however much is offered (netlink_recvmsg in net/netlink/af_netlink.c).
export const DATAGRAM_BYTES = 32 * 1024;
/** Bytes asked for in one turn of next(): some datagrams, so that little is spent between them. */
const RECEIVE_QUEUE_BYTES = 1024 * 1024;

/** Extensions to ask for (INET_DIAG_*): bits of DiagRequest.extensions. */
export const DIAG_EXTENSION = { memInfo: 1 << 0, info: 1 << 1, skMemInfo: 1 << 6 } as const;

export interface DiagRequest {
  /** Both in one walk over the table when not given. */
  readonly family?: Family | undefined;
  /** Bits 1 << state, see TCP_STATES. */
  readonly states: number;
  /** The socket's own port; 0 or undefined for any. The kernel filters. */
  readonly localPort?: number | undefined;
  readonly remotePort?: number | undefined;
  /** Bytecode of diag-filter.ts. The kernel filters. */
  readonly filter?: Uint8Array | undefined;
  /** DIAG_EXTENSION bits. */
  readonly extensions?: number | undefined;
}

/** Called with where a socket's struct inet_diag_msg begins and where its attributes end; false ends the dump. */
export type DiagVisit = (offset: number, end: number) => unknown;

/** One dump: receive it by next(), and read each message in `bytes`. */
export class DiagDump {
  readonly bytes: Buffer;
  /** The kernel's table changed under the dump (NLM_F_DUMP_INTR): repeat it for an exact picture. */
  wasInterrupted = false;
  /** A negative errno that ended the dump early, 0 for none. */
  error = 0;
  private readonly native: NativeBuffer;
  private readonly words: Uint32Array;
  private fd: number;

  /** @param receiveBytes the datagrams' size: it decides at which sockets they end */
  constructor(request: DiagRequest, receiveBytes = DATAGRAM_BYTES) {
    this.native = new NativeBuffer(receiveBytes);
    this.bytes = this.native.bytes;
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, receiveBytes >>> 2);
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (this.fd < 0) {
      this.error = -lastErrno();
      return;
    }
    const size = NativeBuffer.from(new Uint8Array(new Int32Array([RECEIVE_QUEUE_BYTES]).buffer));
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, size.address, 4);
    const encoded = encodeDiagRequest(request);
    if (libc.send(this.fd, NativeBuffer.from(encoded).address, encoded.length, 0) < 0) this.error = -lastErrno();
  }

  /**
   * Receives the next datagram and visits its sockets.
   *
   * @returns false when the dump is complete, was ended or has failed (see `error`)
   */
  next(visit: DiagVisit): boolean {
    if (this.error !== 0) return false;
    const length = libc.recv(this.fd, this.native.address, this.bytes.length, 0);
    if (length >= 0) return this.decode(length, visit);
    const errno = lastErrno();
    if (errno === EINTR) return true;
    this.error = -errno;
    return false;
  }

  close(): void {
    if (this.fd >= 0) libc.close(this.fd);
    this.fd = -1;
  }

  /**
   * Visits the sockets of the datagram of `length` bytes that lies in `bytes`.
   *
   * @returns whether more are to come
   */
  decode(length: number, visit: DiagVisit): boolean {
    const { words } = this;
    for (let at = 0; at + HEADER <= length; ) {
      // struct nlmsghdr: length, type and flags (16 bits each), sequence, port; always at a multiple of 4.
      const size = words[at >>> 2]!;
      const typeAndFlags = words[(at >>> 2) + 1]!;
      const type = typeAndFlags & 0xffff;
      if (((typeAndFlags >>> 16) & NLM_F_DUMP_INTR) !== 0) this.wasInterrupted = true;
      if (type === SOCK_DIAG_BY_FAMILY || type === TCPDIAG_GETSOCK) {
        if (visit(at + HEADER, at + size) === false) return false;
      } else if (type === NLMSG_DONE || type === NLMSG_ERROR) {
        // A negative errno: of the whole request, or what ended the dump. An older kernel's DONE may come without.
        if (size >= HEADER + 4) this.error = words[(at + HEADER) >>> 2]! | 0;
        return false;
      }
      if (size < HEADER) break;
      at += (size + 3) & ~3;
    }
    return true;
  }
}

/** struct nlmsghdr, a request and its bytecode. Without a family it is the older request, which takes both at once. */
export function encodeDiagRequest(request: DiagRequest): Buffer {
  const { family, states, filter } = request;
  const isOld = family === undefined;
  const fixed = isOld ? REQUEST_V1 : REQUEST_V2;
  const attribute = filter && filter.length > 0 ? 4 + filter.length : 0;
  const bytes = Buffer.alloc(fixed + attribute);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt16LE(isOld ? TCPDIAG_GETSOCK : SOCK_DIAG_BY_FAMILY, 4);
  bytes.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  if (isOld) {
    // struct inet_diag_req: family, two unused lengths, extensions, id, states, tables.
    bytes[HEADER + 3] = request.extensions ?? 0;
    bytes.writeUInt32LE(states >>> 0, HEADER + 52);
  } else {
    // struct inet_diag_req_v2: family, protocol, extensions, padding, states, id.
    bytes[HEADER] = family === 4 ? AF_INET : AF_INET6;
    bytes[HEADER + 1] = IPPROTO_TCP;
    bytes[HEADER + 2] = request.extensions ?? 0;
    bytes.writeUInt32LE(states >>> 0, HEADER + 4);
  }
  const id = HEADER + (isOld ? 4 : 8);
  bytes.writeUInt16BE(request.localPort ?? 0, id);
  bytes.writeUInt16BE(request.remotePort ?? 0, id + 2);
  if (filter && attribute > 0) {
    bytes.writeUInt16LE(attribute, fixed);
    bytes.writeUInt16LE(INET_DIAG_REQ_BYTECODE, fixed + 2);
    bytes.set(filter, fixed + 4);
  }
  return bytes;
}

/** Accessors of struct inet_diag_msg at `offset`. */
export function diagLocalPort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 4);
}

export function diagRemotePort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 6);
}
