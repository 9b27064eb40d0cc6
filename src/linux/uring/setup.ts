// io_uring_setup(): the descriptor of a new ring, with the best flags that this kernel knows.
import { EINVAL, ENOSYS } from "../syscalls/errno.js";
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { FEATURE, PARAMS, SETUP, SYS_IO_URING } from "./abi.js";

/** What rings cannot do without, all of Linux 5.17 and older. */
const REQUIRED = FEATURE.singleMmap | FEATURE.noDrop | FEATURE.extArg | FEATURE.cqeSkip;
/** The best first: a kernel that does not know a flag says EINVAL. */
const FLAGS = [
  SETUP.submitAll | SETUP.singleIssuer | SETUP.deferTaskrun | SETUP.taskrunFlag,
  SETUP.submitAll | SETUP.coopTaskrun,
  SETUP.submitAll,
];

export interface RingOptions {
  /** Entries between two enters at most; a power of two. */
  readonly entries: number;
  /** Completions that wait to be seen at most; a power of two, at least twice the entries. */
  readonly completions: number;
}

/** A ring's descriptor, and struct io_uring_params as the kernel has filled it. */
export interface NewRing {
  readonly fd: number;
  readonly params: Buffer;
}

/** @returns a negative errno, -ENOSYS for a kernel whose rings lack something that ours need */
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
