// Registered files of a ring (direct descriptors, Linux 5.15 and 5.19): sockets with an index in the ring instead of a
// descriptor. RLIMIT_NOFILE limits each ring separately, rather than all rings of a thread together.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { FILE_INDEX_RANGE, FILES_UPDATE, REGISTER, RSRC_REGISTER, RSRC_SPARSE, SYS_IO_URING } from "./abi.js";
import type { Ring } from "./ring.js";

/** Number of files closed per call. More would delay a thread that is asked to stop. */
const CLOSED_AT_ONCE = 512;

const argument = new NativeBuffer(RSRC_REGISTER.bytes);
const noFiles = NativeBuffer.from(new Uint8Array(new Int32Array(CLOSED_AT_ONCE).fill(-1).buffer));

/** Reserves space for `count` files. @returns 0 or a negative errno; -EMFILE if RLIMIT_NOFILE is lower */
export function registerFiles(ring: Ring, count: number): number {
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(count, RSRC_REGISTER.count);
  argument.bytes.writeUInt32LE(RSRC_SPARSE, RSRC_REGISTER.flags);
  return register(ring, REGISTER.files2, RSRC_REGISTER.bytes);
}

/** Sets the range from which FILE_INDEX_ALLOC chooses; initially all files. @returns 0 or a negative errno */
export function setAllocRange(ring: Ring, first: number, count: number): number {
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(first, FILE_INDEX_RANGE.offset);
  argument.bytes.writeUInt32LE(count, FILE_INDEX_RANGE.length);
  return register(ring, REGISTER.fileAllocRange, 0);
}

/**
 * Closes a few hundred files starting at `first`. Unused indices are ignored.
 *
 * @param end last index plus one
 * @returns index to continue with, `end` when all are closed, or a negative errno
 */
export function closeFiles(ring: Ring, first: number, end: number): number {
  const count = Math.min(CLOSED_AT_ONCE, end - first);
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(first, FILES_UPDATE.offset);
  argument.bytes.writeBigUInt64LE(BigInt(noFiles.address), FILES_UPDATE.descriptors);
  const closed = register(ring, REGISTER.filesUpdate, count);
  return closed < 0 ? closed : first + count;
}

function register(ring: Ring, operation: number, count: number): number {
  const result = libc.syscall(SYS_IO_URING.register, ring.fd, operation, argument.address, count, 0, 0);
  return result < 0 ? -lastErrno() : result;
}
