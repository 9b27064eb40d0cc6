// The files of a ring (direct descriptors, Linux 5.15 and 5.19): sockets that have an index there and no descriptor. RLIMIT_NOFILE
// bounds each ring's own room, not that of all rings of a thread.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { FILE_INDEX_RANGE, FILES_UPDATE, REGISTER, RSRC_REGISTER, RSRC_SPARSE, SYS_IO_URING } from "./abi.js";
import type { Ring } from "./ring.js";

/** Files closed by one call: more would keep a thread that is to stop waiting too long. */
const CLOSED_AT_ONCE = 512;

const argument = new NativeBuffer(RSRC_REGISTER.bytes);
const noFiles = NativeBuffer.from(new Uint8Array(new Int32Array(CLOSED_AT_ONCE).fill(-1).buffer));

/** Makes room for `count` files. @returns 0 or a negative errno: -EMFILE when RLIMIT_NOFILE is less */
export function registerFiles(ring: Ring, count: number): number {
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(count, RSRC_REGISTER.count);
  argument.bytes.writeUInt32LE(RSRC_SPARSE, RSRC_REGISTER.flags);
  return register(ring, REGISTER.files2, RSRC_REGISTER.bytes);
}

/** Which places the kernel may choose for FILE_INDEX_ALLOC; all of them at first. @returns 0 or a negative errno */
export function setAllocRange(ring: Ring, first: number, count: number): number {
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(first, FILE_INDEX_RANGE.offset);
  argument.bytes.writeUInt32LE(count, FILE_INDEX_RANGE.length);
  return register(ring, REGISTER.fileAllocRange, 0);
}

/**
 * Closes files from `first` on, some hundreds at a time; free places among them do not matter.
 *
 * @param end one more than the last
 * @returns where to go on, `end` when all are closed; or a negative errno
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
