// RLIMIT_NOFILE (man 2 getrlimit): it bounds the numbers in one descriptor table.
import { RLIMIT_NOFILE } from "./constants.js";
import { libc, NativeBuffer } from "./libc.js";

export interface NofileLimit {
  /** What is in force, in descriptors; Infinity when unlimited. */
  readonly soft: number;
  /** Up to which an unprivileged process may raise it. */
  readonly hard: number;
}

const pair = new NativeBuffer(16);

/** RLIMIT_NOFILE as it is now; Infinity where it cannot be read. */
export function readNofileLimit(): NofileLimit {
  if (libc.getrlimit(RLIMIT_NOFILE, pair.address) < 0) {
    return { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
  }
  return { soft: limitAt(0), hard: limitAt(8) };
}

/** Raises the soft limit to the hard one, which needs no privilege, and returns what is then in force. */
export function raiseNofileLimit(): NofileLimit {
  if (libc.getrlimit(RLIMIT_NOFILE, pair.address) >= 0) {
    pair.bytes.copy(pair.bytes, 0, 8, 16);
    // Where it is refused, the limit stays as it was.
    libc.setrlimit(RLIMIT_NOFILE, pair.address);
  }
  return readNofileLimit();
}

function limitAt(offset: number): number {
  const value = pair.bytes.readBigUInt64LE(offset);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}
