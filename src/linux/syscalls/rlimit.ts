// Resource limits (getrlimit(2)). RLIMIT_NOFILE limits the descriptor numbers in one table. RLIMIT_MEMLOCK limits the
// memory that io_urings lock, summed over all of a user's processes.
import { RLIMIT_MEMLOCK, RLIMIT_NOFILE } from "./constants.js";
import { libc, NativeBuffer } from "./libc.js";

export interface ProcessLimit {
  /** Effective limit, in descriptors or bytes; Infinity if unlimited. */
  readonly soft: number;
  /** The limit up to which an unprivileged process may raise the soft limit. */
  readonly hard: number;
}

const pair = new NativeBuffer(16);

/** Returns the current RLIMIT_NOFILE; Infinity if it cannot be read. */
export function readNofileLimit(): ProcessLimit {
  return readLimit(RLIMIT_NOFILE);
}

/** Raises the soft limit to the hard limit, which needs no privileges, and returns the effective limit. */
export function raiseNofileLimit(): ProcessLimit {
  return raiseLimit(RLIMIT_NOFILE);
}

/** Like raiseNofileLimit(), for RLIMIT_MEMLOCK. */
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
    // If the call is refused, the limit stays unchanged.
    libc.setrlimit(resource, pair.address);
  }
  return readLimit(resource);
}

function limitAt(offset: number): number {
  const value = pair.bytes.readBigUInt64LE(offset);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? Number.POSITIVE_INFINITY : Number(value);
}
