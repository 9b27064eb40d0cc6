// Netlink requests (netlink(7)) with short replies: routes, rules, firewall chains. Callers read tables that may have
// millions of entries with NetlinkDump directly.
import { ENOENT } from "../syscalls/errno.js";
import { encodeRequest, NetlinkDump, NLM_F_DUMP, NLM_F_REQUEST } from "./netlink-dump.js";

/** Flags: acknowledge the request; create what does not exist, and fail if it does. */
const NLM_F_ACK = 0x4;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const ANSWER_BYTES = 64 * 1024;
/** Maximum number of messages read from a dump by default. Reading more is seldom worth the time. */
export const MOST_MESSAGES = 20_000;
/** Mask for an attribute's type, without the encoding bits. */
const TYPE_MASK = 0x3fff;

export interface NetlinkAnswer {
  /** Payload after the header: a protocol-specific struct, followed by attributes. */
  readonly body: Buffer;
}

/**
 * Requests all entries of a kind.
 *
 * @param protocol NETLINK_ROUTE, NETLINK_NETFILTER, …
 * @param request protocol-specific struct, which acts as a filter
 * @param most maximum number of entries
 * @returns a negative errno if the kernel refuses
 */
export function dumpNetlink(
  protocol: number,
  type: number,
  request: Uint8Array,
  most = MOST_MESSAGES,
): NetlinkAnswer[] | number {
  return ask(protocol, type, request, NLM_F_REQUEST | NLM_F_DUMP, most);
}

/**
 * Requests one entry.
 *
 * @returns a negative errno if there is no entry or the kernel refuses
 */
export function getNetlink(protocol: number, type: number, request: Uint8Array): NetlinkAnswer | number {
  const answers = ask(protocol, type, request, NLM_F_REQUEST);
  return typeof answers === "number" ? answers : (answers[0] ?? -ENOENT);
}

/**
 * Requests a change.
 *
 * @param creates whether the request creates something, and fails with -EEXIST if it exists already
 * @returns 0 or a negative errno
 */
export function changeNetlink(protocol: number, type: number, request: Uint8Array, creates: boolean): number {
  const flags = NLM_F_REQUEST | NLM_F_ACK | (creates ? NLM_F_CREATE | NLM_F_EXCL : 0);
  const answers = ask(protocol, type, request, flags);
  return typeof answers === "number" ? answers : 0;
}

function ask(
  protocol: number,
  type: number,
  struct: Uint8Array,
  flags: number,
  most = MOST_MESSAGES,
): NetlinkAnswer[] | number {
  const question = new NetlinkDump(
    { protocol, request: encodeRequest(type, flags, struct), isStrict: true },
    ANSWER_BYTES,
  );
  const answers: NetlinkAnswer[] = [];
  const visit = (offset: number, end: number) => {
    answers.push({ body: Buffer.from(question.bytes.subarray(offset, end)) });
    return answers.length < most;
  };
  // Only a dump ends with NLMSG_DONE.
  const isDump = flags !== NLM_F_REQUEST;
  try {
    for (let goesOn = true; goesOn; ) goesOn = question.next(visit) && (isDump || answers.length === 0);
  } finally {
    question.close();
  }
  return question.error === 0 ? answers : question.error;
}

/** Returns the attributes starting at `offset` (struct nlattr: length, type), keeping the last one of each type. */
export function attributesOf(body: Buffer, offset = 0): Map<number, Buffer> {
  return new Map(listAttributes(body, offset));
}

/** Returns the attributes starting at `offset`, in order. */
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

/** Returns a string attribute without the terminating NUL. */
export function textOf(value: Buffer | undefined): string | undefined {
  return value?.toString("utf8").replace(/\0.*$/s, "");
}
