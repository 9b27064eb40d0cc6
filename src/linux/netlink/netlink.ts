// Questions to the kernel over netlink (man 7 netlink) whose answers are few: routes, rules, firewall chains. Tables that may have
// millions of entries are read by NetlinkDump itself.
import { ENOENT } from "../syscalls/errno.js";
import { encodeRequest, NetlinkDump, NLM_F_DUMP, NLM_F_REQUEST } from "./netlink-dump.js";

const ANSWER_BYTES = 64 * 1024;
/** A dump goes no further: what is looked for is among the first, or not worth the time. */
const MOST_MESSAGES = 20_000;
/** The bits of an attribute's type that say how it is encoded. */
const TYPE_MASK = 0x3fff;

export interface NetlinkAnswer {
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

function ask(protocol: number, type: number, struct: Uint8Array, flags: number): NetlinkAnswer[] | number {
  const question = new NetlinkDump(
    { protocol, request: encodeRequest(type, flags, struct), isStrict: true },
    ANSWER_BYTES,
  );
  const answers: NetlinkAnswer[] = [];
  const visit = (offset: number, end: number) => {
    answers.push({ body: Buffer.from(question.bytes.subarray(offset, end)) });
    return answers.length < MOST_MESSAGES;
  };
  // Only a dump has an end of its own.
  const isDump = flags !== NLM_F_REQUEST;
  try {
    for (let goesOn = true; goesOn; ) goesOn = question.next(visit) && (isDump || answers.length === 0);
  } finally {
    question.close();
  }
  return question.error === 0 ? answers : question.error;
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
