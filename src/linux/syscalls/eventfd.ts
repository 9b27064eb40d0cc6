// An eventfd (eventfd(2)), which one thread uses to wake another's epoll_wait().
import { AppError } from "../../util/errors.js";
import { EFD_CLOEXEC, EFD_NONBLOCK } from "./constants.js";
import { errnoName } from "./errno.js";
import { lastErrno, libc, NativeBuffer } from "./libc.js";

const one = NativeBuffer.from(new Uint8Array(new BigUint64Array([1n]).buffer));
const counter = new NativeBuffer(8);

/** @throws {AppError} E_SYSTEM if no descriptor is left */
export function openEventfd(): number {
  const fd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (fd >= 0) return fd;
  const name = errnoName(lastErrno());
  throw new AppError("E_SYSTEM", `cannot create a descriptor for wake-ups: ${name}`, {
    fix: "raise the open-file limit: ulimit -n 4096",
  });
}

/** Makes the eventfd readable. */
export function notify(fd: number): void {
  libc.write(fd, one.address, 8);
}

/** Makes the eventfd unreadable again. */
export function drain(fd: number): void {
  libc.read(fd, counter.address, 8);
}
