// Questions to the kernel over netlink (man 7 netlink) whose answers are few: routes, rules, firewall chains. The socket table,
// which may have millions of entries, has a reader of its own (sock-diag.ts).
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../syscalls/constants.js";
import { EINTR, ENOENT } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";

const NLM_F_REQUEST = 0x1;
const NLM_F_DUMP = 0x300;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const HEADER = 16;
const ANSWER_BYTES = 64 * 1024;
/** A dump goes no further: what is looked for is among the first, or not worth the time. */
const MOST_MESSAGES = 20_000;
const SOL_NETLINK = 270;
/** The kernel then filters by the fields of the request, rather than ignore them; since Linux 4.20. */
const NETLINK_GET_STRICT_CHK = 12;
/** The bits of an attribute's type that say how it is encoded. */
const TYPE_MASK = 0x3fff;

export interface NetlinkAnswer {
  readonly type: number;
  /** What comes behind the header: a struct of the protocol's, then attributes. */
  readonly body: Buffer;
}

/**
 * Asks for all entries of a kind.
 *
 * @param protocol NETLINK_ROUTE, NETLINK_NETFILTER, …
 * @param request the protocol's struct, which filters
 * @returns a negative errno when the kernel refuses
 */
export function dumpNetlink(protocol: number, type: number, request: Uint8Array): NetlinkAnswer[] | number {
  return ask(protocol, type, request, NLM_F_REQUEST | NLM_F_DUMP);
}

/**
 * Asks for one entry.
 *
 * @returns a negative errno when there is none, or the kernel refuses
 */
export function getNetlink(protocol: number, type: number, request: Uint8Array): NetlinkAnswer | number {
  const answers = ask(protocol, type, request, NLM_F_REQUEST);
  return typeof answers === "number" ? answers : (answers[0] ?? -ENOENT);
}

function ask(protocol: number, type: number, request: Uint8Array, flags: number): NetlinkAnswer[] | number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -lastErrno();
  try {
    const on = NativeBuffer.from(Uint8Array.of(1, 0, 0, 0));
    libc.setsockopt(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, on.address, 4);
    const message = Buffer.alloc(HEADER + request.length);
    message.writeUInt32LE(message.length, 0);
    message.writeUInt16LE(type, 4);
    message.writeUInt16LE(flags, 6);
    message.set(request, HEADER);
    if (libc.send(fd, NativeBuffer.from(message).address, message.length, 0) < 0) return -lastErrno();
    return receiveAll(fd, (flags & NLM_F_DUMP) !== 0);
  } finally {
    libc.close(fd);
  }
}

function receiveAll(fd: number, isDump: boolean): NetlinkAnswer[] | number {
  const buffer = new NativeBuffer(ANSWER_BYTES);
  const answers: NetlinkAnswer[] = [];
  while (answers.length < MOST_MESSAGES) {
    const length = libc.recv(fd, buffer.address, ANSWER_BYTES, 0);
    if (length < 0 && lastErrno() === EINTR) continue;
    if (length <= 0) return length < 0 ? -lastErrno() : answers;
    for (let at = 0; at + HEADER <= length; ) {
      const size = buffer.bytes.readUInt32LE(at);
      const type = buffer.bytes.readUInt16LE(at + 4);
      if (type === NLMSG_DONE) return answers;
      if (type === NLMSG_ERROR) return buffer.bytes.readInt32LE(at + HEADER) || answers;
      if (size < HEADER) return answers;
      answers.push({ type, body: Buffer.from(buffer.bytes.subarray(at + HEADER, at + size)) });
      at += (size + 3) & ~3;
    }
    // Only a dump has an end of its own.
    if (!isDump) return answers;
  }
  return answers;
}

/** The attributes from `offset` on (struct nlattr: length, type), the last of each type. */
export function attributesOf(body: Buffer, offset = 0): Map<number, Buffer> {
  return new Map(listAttributes(body, offset));
}

/** The attributes from `offset` on, in their order. */
export function listAttributes(body: Buffer, offset = 0): [type: number, value: Buffer][] {
  const found: [number, Buffer][] = [];
  for (let at = offset; at + 4 <= body.length; ) {
    const length = body.readUInt16LE(at);
    if (length < 4 || at + length > body.length) break;
    found.push([body.readUInt16LE(at + 2) & TYPE_MASK, body.subarray(at + 4, at + length)]);
    at += (length + 3) & ~3;
  }
  return found;
}

/** A string attribute without its final zero. */
export function textOf(value: Buffer | undefined): string | undefined {
  return value?.toString("utf8").replace(/\0.*$/s, "");
}
