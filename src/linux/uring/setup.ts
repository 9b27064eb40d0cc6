// io_uring_setup(): opens a ring with the best flags that this kernel supports.
import { EINVAL, ENOSYS } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { FEATURE, PARAMS, SETUP, SYS_IO_URING } from "./abi.js";

/** Required features, all available in Linux 5.17 or earlier. */
const REQUIRED = FEATURE.singleMmap | FEATURE.noDrop | FEATURE.extArg | FEATURE.cqeSkip;
/** Flags to try, best first. A kernel that does not know a flag returns EINVAL. */
const FLAGS = [
  SETUP.submitAll | SETUP.singleIssuer | SETUP.deferTaskrun | SETUP.taskrunFlag,
  SETUP.submitAll | SETUP.coopTaskrun,
  SETUP.submitAll,
];

export interface RingOptions {
  /** Maximum number of entries between two enters; a power of two. */
  readonly entries: number;
  /** Size of the completion queue; a power of two, at least twice the number of entries. */
  readonly completions: number;
}

/** A ring's descriptor, and the struct io_uring_params filled in by the kernel. */
export interface NewRing {
  readonly fd: number;
  readonly params: Buffer;
}

/** @returns a negative errno; -ENOSYS if the kernel's rings lack a required feature */
export function setUpRing({ entries, completions }: RingOptions): NewRing | number {
  const { address, bytes: params } = new NativeBuffer(PARAMS.bytes);
  for (const flags of FLAGS) {
    params.fill(0);
    params.writeUInt32LE(flags | SETUP.cqSize, PARAMS.flags);
    params.writeUInt32LE(completions, PARAMS.cqEntries);
    const fd = libc.syscall(SYS_IO_URING.setup, entries, address, 0, 0, 0, 0);
    if (fd >= 0) return withRequired({ fd, params });
    const errno = lastErrno();
    if (errno !== EINVAL) return -errno;
  }
  return -EINVAL;
}

function withRequired(ring: NewRing): NewRing | number {
  if ((ring.params.readUInt32LE(PARAMS.features) & REQUIRED) === REQUIRED) return ring;
  libc.close(ring.fd);
  return -ENOSYS;
}
