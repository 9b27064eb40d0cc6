// Reads the kernel's socket table via netlink (sock_diag(7)). Replies are read in place, without an object for each of
// millions of sockets. diag-socket.ts reads a socket, and diag-filter.ts compiles filters.
import type { Family } from "../../util/address.js";
import { AF_INET, AF_INET6, IPPROTO_TCP } from "../syscalls/constants.js";
import { DATAGRAM_BYTES, NetlinkDump, type NetlinkVisit, NLM_F_DUMP, NLM_F_REQUEST } from "./netlink-dump.js";

export { DATAGRAM_BYTES };

const NETLINK_SOCK_DIAG = 4;
const SOCK_DIAG_BY_FAMILY = 20;
const TCPDIAG_GETSOCK = 18;
const HEADER = 16;
const REQUEST_V2 = HEADER + 56;
const REQUEST_V1 = HEADER + 60;
const INET_DIAG_REQ_BYTECODE = 1;

/** Extensions to request (INET_DIAG_*), as bits of DiagRequest.extensions. */
export const DIAG_EXTENSION = { memInfo: 1 << 0, info: 1 << 1, skMemInfo: 1 << 6 } as const;

export interface DiagRequest {
  /** By default, both families are read in a single pass over the table. */
  readonly family?: Family | undefined;
  /** Bits 1 << state; see TCP_STATES. */
  readonly states: number;
  /** The socket's local port; 0 or undefined for any. The kernel does the filtering. */
  readonly localPort?: number | undefined;
  readonly remotePort?: number | undefined;
  /** Bytecode from diag-filter.ts, run by the kernel. */
  readonly filter?: Uint8Array | undefined;
  /** DIAG_EXTENSION bits. */
  readonly extensions?: number | undefined;
}

/** Called with the start of a struct inet_diag_msg and the end of its attributes. Return false to stop. */
export type DiagVisit = NetlinkVisit;

/** A dump in progress: call next() to receive the next part, and read each message from `bytes`. */
export class DiagDump extends NetlinkDump {
  /** @param receiveBytes size of datagrams, which determines where the dump is split */
  constructor(request: DiagRequest, receiveBytes = DATAGRAM_BYTES) {
    super(
      {
        protocol: NETLINK_SOCK_DIAG,
        request: encodeDiagRequest(request),
        types: [SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK],
      },
      receiveBytes,
    );
  }
}

/**
 * Encodes a struct nlmsghdr, a request and its bytecode. Without a family, the older request is used, which covers
 * both families.
 */
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

/** Accessors for the struct inet_diag_msg at `offset`. */
export function diagLocalPort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 4);
}

export function diagRemotePort(bytes: Buffer, offset: number): number {
  return bytes.readUInt16BE(offset + 6);
}
