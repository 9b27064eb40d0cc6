// Compiles socket filters to inet_diag bytecode, with which the kernel filters a dump (sock_diag(7),
// INET_DIAG_REQ_BYTECODE). Programs only jump forward. A jump to the end accepts the socket; a jump to four bytes past
// the end rejects it.
import type { Family } from "../../util/address.js";
import { AF_INET, AF_INET6 } from "../syscalls/constants.js";
import { interfaceIndex } from "../syscalls/interface-names.js";

const JMP = 1;
const SOURCE_GE = 2;
const SOURCE_LE = 3;
const DESTINATION_GE = 4;
const DESTINATION_LE = 5;
const SOURCE_COND = 7;
const DESTINATION_COND = 8;
const DEVICE_COND = 9;
const OP = 4;

/** The socket's local or remote end. */
export type End = "local" | "remote";

/** Condition on a socket. An IPv4 prefix also matches IPv4-mapped addresses. */
export type DiagFilter =
  | { readonly all: readonly DiagFilter[] }
  | { readonly any: readonly DiagFilter[] }
  | { readonly zone: string }
  | { readonly end: End; readonly portFrom: number; readonly portTo: number }
  | { readonly end: End; readonly family: Family; readonly prefix: Uint8Array; readonly prefixBits: number };

/**
 * Compiles a filter to bytecode.
 *
 * @returns undefined if the kernel would reject the program, because a jump exceeds 16 bits or an `any` is empty
 */
export function compileDiagFilter(filter: DiagFilter): Uint8Array | undefined {
  const code = compile(filter);
  return code !== undefined && code.length <= 0xff00 ? code : undefined;
}

function compile(filter: DiagFilter): Buffer | undefined {
  if ("all" in filter) return join(filter.all, both, Buffer.alloc(0));
  if ("any" in filter) return join(filter.any, either, undefined);
  if ("zone" in filter) return device(interfaceIndex(filter.zone));
  return "portFrom" in filter ? portRange(filter.end, filter.portFrom, filter.portTo) : address(filter);
}

function join(
  filters: readonly DiagFilter[],
  combine: (a: Buffer, b: Buffer) => Buffer,
  none: Buffer | undefined,
): Buffer | undefined {
  const codes = filters.map(compile);
  if (codes.some((code) => code === undefined || code.length > 0xff00)) return undefined;
  // Combine in pairs: copying stays O(n log n), and each level adjusts jumps only once.
  let level = codes as Buffer[];
  while (level.length > 1) {
    level = level.flatMap((a, i) => (i % 2 === 1 ? [] : [level[i + 1] ? combine(a, level[i + 1]!) : a]));
    if (level.some(({ length }) => length > 0xff00)) return undefined;
  }
  return level[0] ?? none;
}

/** Logical AND: a rejection by the first operand also jumps past the second. */
function both(a: Buffer, b: Buffer): Buffer {
  const joined = Buffer.concat([a, b]);
  for (let at = 0; at < a.length; at += joined[at + 1]!) {
    const no = joined.readUInt16LE(at + 2);
    if (at + no === a.length + OP) joined.writeUInt16LE(no + b.length, at + 2);
    // The `yes` jump skips the second half of an operation, which holds a port, so it is not read as an operation.
  }
  return joined;
}

/**
 * Logical OR: a jump over the second operand follows the first. The first operand runs into that jump if it accepts,
 * and otherwise lands after it.
 */
function either(a: Buffer, b: Buffer): Buffer {
  return Buffer.concat([a, operation(JMP, OP, OP + b.length), b]);
}

function portRange(end: End, from: number, to: number): Buffer {
  const [ge, le] = end === "local" ? [SOURCE_GE, SOURCE_LE] : [DESTINATION_GE, DESTINATION_LE];
  // The port to compare with is in the `no` field of a second operation after the first.
  const compare = (code: number, port: number) =>
    Buffer.concat([operation(code, 2 * OP, 3 * OP), operation(0, 0, port)]);
  return both(compare(ge, from), compare(le, to));
}

/**
 * Compiles a match on the interface that a socket is bound to. Sockets with link-local addresses are always bound to
 * an interface.
 */
function device(index: number): Buffer {
  const condition = Buffer.alloc(4);
  condition.writeUInt32LE(index);
  return Buffer.concat([operation(DEVICE_COND, 2 * OP, 3 * OP), condition]);
}

/** struct inet_diag_hostcond: family, prefix length, padding, port (-1 for any), address. */
function address(filter: Extract<DiagFilter, { prefix: unknown }>): Buffer {
  const { end, family, prefix, prefixBits } = filter;
  const condition = Buffer.alloc(8 + (family === 4 ? 4 : 16));
  condition[0] = family === 4 ? AF_INET : AF_INET6;
  condition[1] = prefixBits;
  condition.writeInt32LE(-1, 4);
  condition.set(prefix, 8);
  const length = OP + condition.length;
  return Buffer.concat([operation(end === "local" ? SOURCE_COND : DESTINATION_COND, length, length + OP), condition]);
}

/** struct inet_diag_bc_op: code, jump on yes, jump on no. */
function operation(code: number, yes: number, no: number): Buffer {
  const bytes = Buffer.alloc(OP);
  bytes[0] = code;
  bytes[1] = yes;
  bytes.writeUInt16LE(no, 2);
  return bytes;
}
