// Sends netlink requests (netlink(7)) and reads the replies in place, without an object for each of millions of
// entries. For short replies, netlink.ts returns objects. Callers interpret the messages.
import { AF_NETLINK, SO_RCVBUF, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET } from "../syscalls/constants.js";
import { EINTR } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";

export const NLM_F_REQUEST = 0x1;
export const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const SOL_NETLINK = 270;
/** Makes the kernel filter by the request's fields instead of ignoring them (Linux 4.20 and later). */
const NETLINK_GET_STRICT_CHK = 12;

// The kernel limits datagrams to 32 KiB, whatever the buffer size (netlink_recvmsg in net/netlink/af_netlink.c).
export const DATAGRAM_BYTES = 32 * 1024;
/** A datagram with this much room left could have taken another message. */
const ROOM_BYTES = 4096;
/** Receive buffer: several datagrams, so that little time is lost between them. */
const RECEIVE_QUEUE_BYTES = 1024 * 1024;

/** Called with the start of a message's payload and the end of its attributes. Return false to stop. */
export type NetlinkVisit = (offset: number, end: number) => unknown;

export interface NetlinkQuestion {
  /** NETLINK_SOCK_DIAG, NETLINK_NETFILTER. */
  readonly protocol: number;
  /** struct nlmsghdr and its payload. */
  readonly request: Uint8Array;
  /** Message types to visit, at most two; default: all except end and error messages. */
  readonly types?: readonly number[];
  /** Whether the request's fields act as filters. */
  readonly isStrict?: boolean;
}

/**
 * Encodes a struct nlmsghdr and a protocol-specific struct.
 * @param flags NLM_F_REQUEST, plus NLM_F_DUMP for all entries
 */
export function encodeRequest(type: number, flags: number, struct: Uint8Array): Buffer {
  const request = Buffer.alloc(HEADER + struct.length);
  request.writeUInt32LE(request.length, 0);
  request.writeUInt16LE(type, 4);
  request.writeUInt16LE(flags, 6);
  request.set(struct, HEADER);
  return request;
}

/** A dump in progress: call next() to receive the next part, and read each message from `bytes`. */
export class NetlinkDump {
  readonly bytes: Buffer;
  /** The kernel's table changed during the dump (NLM_F_DUMP_INTR). Repeat the dump for a consistent result. */
  wasInterrupted = false;
  /** Whether all entries came in one datagram, so that the kernel did not have to resume the dump. */
  isInOnePart = true;
  /** Negative errno that ended the dump early; 0 for none. */
  error = 0;
  private isFirst = true;
  private readonly native: NativeBuffer;
  private readonly words: Uint32Array;
  private readonly firstType: number;
  private readonly secondType: number;
  private readonly takesAll: boolean;
  private fd: number;

  /** @param receiveBytes size of datagrams, which determines where the dump is split */
  constructor({ protocol, request, types = [], isStrict = false }: NetlinkQuestion, receiveBytes = DATAGRAM_BYTES) {
    this.native = new NativeBuffer(receiveBytes);
    this.bytes = this.native.bytes;
    this.words = new Uint32Array(this.bytes.buffer, this.bytes.byteOffset, receiveBytes >>> 2);
    this.takesAll = types.length === 0;
    this.firstType = types[0] ?? -1;
    this.secondType = types[1] ?? this.firstType;
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (this.fd < 0) {
      this.error = -lastErrno();
      return;
    }
    const size = NativeBuffer.from(new Uint8Array(new Int32Array([RECEIVE_QUEUE_BYTES]).buffer));
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, size.address, 4);
    if (isStrict) {
      const on = NativeBuffer.from(Uint8Array.of(1, 0, 0, 0));
      libc.setsockopt(this.fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on.address, 4);
    }
    if (libc.send(this.fd, NativeBuffer.from(request).address, request.length, 0) < 0) this.error = -lastErrno();
  }

  /**
   * Receives the next datagram and visits its messages.
   *
   * @returns false when the dump has completed, was stopped by the visitor or has failed (see `error`)
   */
  next(visit: NetlinkVisit): boolean {
    if (this.error !== 0) return false;
    const length = libc.recv(this.fd, this.native.address, this.bytes.length, 0);
    if (length >= 0) {
      this.notePart(length);
      return this.decode(length, visit);
    }
    const errno = lastErrno();
    if (errno === EINTR) return true;
    this.error = -errno;
    return false;
  }

  close(): void {
    if (this.fd >= 0) libc.close(this.fd);
    this.fd = -1;
  }

  private notePart(length: number): void {
    const isEnd = (this.words[1]! & 0xffff) === NLMSG_DONE;
    if (this.isFirst ? length + ROOM_BYTES > this.bytes.length : !isEnd) this.isInOnePart = false;
    this.isFirst = false;
  }

  /**
   * Visits the messages in the first `length` bytes of `bytes`.
   *
   * @returns whether more datagrams follow
   */
  decode(length: number, visit: NetlinkVisit): boolean {
    const { words } = this;
    for (let at = 0; at + HEADER <= length; ) {
      // struct nlmsghdr: length, type and flags (16 bits each), sequence, port; always at a multiple of 4.
      const size = words[at >>> 2]!;
      const typeAndFlags = words[(at >>> 2) + 1]!;
      const type = typeAndFlags & 0xffff;
      if (((typeAndFlags >>> 16) & NLM_F_DUMP_INTR) !== 0) this.wasInterrupted = true;
      if (type === this.firstType || type === this.secondType) {
        if (visit(at + HEADER, at + size) === false) return false;
      } else if (type === NLMSG_DONE || type === NLMSG_ERROR) {
        // A negative errno for the request or the rest of the dump. On older kernels, NLMSG_DONE may come
        // without it.
        if (size >= HEADER + 4) this.error = words[(at + HEADER) >>> 2]! | 0;
        return false;
      } else if (this.takesAll && size >= HEADER && visit(at + HEADER, at + size) === false) return false;
      if (size < HEADER) break;
      at += (size + 3) & ~3;
    }
    return true;
  }
}
