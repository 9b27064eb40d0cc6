// The kernel's socket table over netlink (man 7 sock_diag): dump requests and replies read in place, so that
// millions of sockets pass without an object each. What the sockets mean is left to ports/.
import type { Family } from "../base/address.js";
import { AF_INET, AF_INET6, AF_NETLINK, SO_RCVBUF, SOCK_CLOEXEC, SOCK_RAW, SOL_SOCKET } from "./constants.js";
import { EINTR } from "./errno.js";
import { lastErrno, libc, NativeBuffer } from "./libc.js";

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const IPPROTO_TCP = 6;
const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLM_F_DUMP_INTR = 0x10;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const REQUEST = HEADER + 56;
const RECEIVE_BYTES = 128 * 1024;

export interface DiagRequest {
  readonly family: Family;
  /** Bits 1 << state, see TCP_STATES. */
  readonly states: number;
  /** The socket's own port; 0 or undefined for any. The kernel filters. */
  readonly localPort?: number | undefined;
  readonly remotePort?: number | undefined;
}

/** One dump: iterate it, and read each message at `offset` in `bytes` with the accessors below. */
export class DiagDump {
  readonly bytes: Buffer;
  /** The kernel's table changed under the dump (NLM_F_DUMP_INTR): repeat it for an exact picture. */
  wasInterrupted = false;
  private readonly native = new NativeBuffer(RECEIVE_BYTES);
  private readonly fd: number;
  /** A negative errno that ended the dump early, 0 for none. */
  error = 0;

  constructor(request: DiagRequest) {
    this.bytes = this.native.bytes;
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (this.fd < 0) {
      this.error = -lastErrno();
      return;
    }
    const size = NativeBuffer.from(new Uint8Array(new Int32Array([4 * RECEIVE_BYTES]).buffer));
    libc.setsockopt(this.fd, SOL_SOCKET, SO_RCVBUF, size.address, 4);
    const message = NativeBuffer.from(encodeDiagRequest(request));
    if (libc.send(this.fd, message.address, REQUEST, 0) < 0) this.error = -lastErrno();
  }

  /**
   * Receives the next batch and calls `visit` with the offset of each socket's inet_diag_msg in `bytes`.
   *
   * @returns false when the dump is complete or has failed (see `error`)
   */
  next(visit: (offset: number) => void): boolean {
    if (this.error !== 0) return false;
    const length = libc.recv(this.fd, this.native.address, RECEIVE_BYTES, 0);
    if (length < 0) {
      const errno = lastErrno();
      if (errno === EINTR) return true;
      this.error = -errno;
      return false;
    }
    for (let at = 0; at + HEADER <= length; ) {
      const size = this.bytes.readUInt32LE(at);
      const type = this.bytes.readUInt16LE(at + 4);
      if ((this.bytes.readUInt16LE(at + 6) & NLM_F_DUMP_INTR) !== 0) this.wasInterrupted = true;
      if (type === NLMSG_DONE) return false;
      if (type === NLMSG_ERROR) {
        this.error = this.bytes.readInt32LE(at + HEADER);
        return false;
      }
      if (type === SOCK_DIAG_BY_FAMILY) visit(at + HEADER);
      at += (size + 3) & ~3;
    }
    return true;
  }

  close(): void {
    if (this.fd >= 0) libc.close(this.fd);
  }
}

/** struct nlmsghdr and struct inet_diag_req_v2 for a dump. */
export function encodeDiagRequest(request: DiagRequest): Buffer {
  const bytes = Buffer.alloc(REQUEST);
  bytes.writeUInt32LE(REQUEST, 0);
  bytes.writeUInt16LE(SOCK_DIAG_BY_FAMILY, 4);
  bytes.writeUInt16LE(NLM_F_REQUEST | NLM_F_DUMP, 6);
  bytes[HEADER] = request.family === 4 ? AF_INET : AF_INET6;
  bytes[HEADER + 1] = IPPROTO_TCP;
  bytes.writeUInt32LE(request.states >>> 0, HEADER + 4);
  bytes.writeUInt16BE(request.localPort ?? 0, HEADER + 8);
  bytes.writeUInt16BE(request.remotePort ?? 0, HEADER + 10);
  return bytes;
}

/** Where struct inet_diag_msg has the addresses: 4 or 16 bytes in network order. */
export const DIAG_LOCAL_IP = 8;
export const DIAG_REMOTE_IP = 24;

/** Accessors of struct inet_diag_msg at `offset`. */
export function diagLocalPort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 4);
}

export function diagRemotePort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 6);
}
