// Registered files of a ring (direct descriptors, Linux 5.15 and 5.19): sockets with an index in the ring instead of a
// descriptor. RLIMIT_NOFILE limits each ring separately, rather than all rings of a thread together.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { REGISTER, RSRC_REGISTER, RSRC_SPARSE, SYS_IO_URING } from "./abi.js";
import type { Ring } from "./ring.js";

const argument = new NativeBuffer(RSRC_REGISTER.bytes);
const descriptor = new NativeBuffer(4);

/**
 * Reserves space for `count` files.
 * @returns 0 or a negative errno; -EMFILE if RLIMIT_NOFILE is lower
 */
export function registerFiles(ring: Ring, count: number): number {
  argument.bytes.fill(0);
  argument.bytes.writeUInt32LE(count, RSRC_REGISTER.count);
  argument.bytes.writeUInt32LE(RSRC_SPARSE, RSRC_REGISTER.flags);
  const { register } = SYS_IO_URING;
  const { address } = argument;
  return libc.syscall(register, ring.fd, REGISTER.files2, address, RSRC_REGISTER.bytes, 0, 0) < 0 ? -lastErrno() : 0;
}

/**
 * Registers a descriptor as the only file, with index 0, so that the kernel need not look it up for each entry.
 * @returns 0 or a negative errno
 */
export function registerDescriptor(ring: Ring, fd: number): number {
  descriptor.bytes.writeInt32LE(fd);
  const { register } = SYS_IO_URING;
  return libc.syscall(register, ring.fd, REGISTER.files, descriptor.address, 1, 0, 0) < 0 ? -lastErrno() : 0;
}
