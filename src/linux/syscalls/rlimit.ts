// Limits of a process (man 2 getrlimit): RLIMIT_NOFILE bounds the numbers in one descriptor table, RLIMIT_MEMLOCK what the io_urings of a
// user lock, over all of its processes.
import { RLIMIT_MEMLOCK, RLIMIT_NOFILE } from "./constants.js";
import { libc, NativeBuffer } from "./libc.js";

export interface ProcessLimit {
  /** What is in force, in descriptors or bytes; Infinity when unlimited. */
  readonly soft: number;
  /** Up to which an unprivileged process may raise it. */
  readonly hard: number;
}

const pair = new NativeBuffer(16);

/** RLIMIT_NOFILE as it is now; Infinity where it cannot be read. */
export function readNofileLimit(): ProcessLimit {
  return readLimit(RLIMIT_NOFILE);
}

/** Raises the soft limit to the hard one, which needs no privilege, and returns what is then in force. */
export function raiseNofileLimit(): ProcessLimit {
  return raiseLimit(RLIMIT_NOFILE);
}

/** As raiseNofileLimit(), of RLIMIT_MEMLOCK. */
export function raiseMemlockLimit(): ProcessLimit {
  return raiseLimit(RLIMIT_MEMLOCK);
}

function readLimit(resource: number): ProcessLimit {
  if (libc.getrlimit(resource, pair.address) < 0) {
    return { soft: Number.POSITIVE_INFINITY, hard: Number.POSITIVE_INFINITY };
  }
  return { soft: limitAt(0), hard: limitAt(8) };
}

function raiseLimit(resource: number): ProcessLimit {
  if (libc.getrlimit(resource, pair.address) >= 0) {
    pair.bytes.copy(pair.bytes, 0, 8, 16);
    // Where it is refused, the limit stays as it was.
    libc.setrlimit(resource, pair.address);
  }
  return readLimit(resource);
}

function limitAt(offset: number): number {
  const value = pair.bytes.readBigUInt64LE(offset);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}
