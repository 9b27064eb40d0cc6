// Signals a ring's work through an eventfd to a thread that waits elsewhere. Polling the ring's own descriptor is not
// enough: with IORING_SETUP_DEFER_TASKRUN, pending work wakes only the eventfd and a thread that waits in this ring
// (io_req_local_work_add() in the kernel). A poll of the ring's descriptor completes only once the thread enters the
// ring for another reason.
import { lastErrno, libc, NativeBuffer } from "../syscalls/libc.js";
import { REGISTER, SYS_IO_URING } from "./abi.js";
import type { Ring } from "./ring.js";

const argument = new NativeBuffer(4);

/**
 * Signals `fd`, an eventfd, when work arrives in the ring and when completions are posted. Several rings can share one
 * eventfd. A ring must not poll the eventfd that it signals, because each completion of the poll would signal it again.
 *
 * @returns 0 or a negative errno; -ENOMEM if the system is out of memory
 */
export function registerEventfd({ fd: ring }: Ring, fd: number): number {
  argument.bytes.writeInt32LE(fd, 0);
  const { register } = SYS_IO_URING;
  return libc.syscall(register, ring, REGISTER.eventfd, argument.address, 1, 0, 0) < 0 ? -lastErrno() : 0;
}

/** Stops signalling, if it was active. */
export function unregisterEventfd({ fd }: Ring): void {
  libc.syscall(SYS_IO_URING.register, fd, REGISTER.unregisterEventfd, 0, 0, 0, 0);
}
