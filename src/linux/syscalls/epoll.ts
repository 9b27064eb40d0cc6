// An epoll instance (epoll(7)). Events are read in place, without allocating objects.
import { AppError } from "../../util/errors.js";
import {
  EPOLL_CLOEXEC,
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLL_DATA_WORD,
  EPOLL_EVENT_WORDS,
  SYS_EPOLL_PWAIT2,
} from "./constants.js";
import { EINTR, ENOSYS, EPERM, errnoName } from "./errno.js";
import { lastErrno, libc, NativeBuffer } from "./libc.js";

// Maximum timeout of epoll_wait() in milliseconds.
const INT_MAX = 2 ** 31 - 1;
const TIMESPEC_SECONDS = 0;
const TIMESPEC_NANOSECONDS = 2;

/** An epoll instance, which waits on multiple descriptors. The methods return 0 or a negative errno. */
export class Epoll {
  /** A negative errno if the instance could not be created. */
  readonly fd: number;
  private isClosed = false;
  private readonly maxEvents: number;
  private readonly ready: NativeBuffer;
  private readonly readyWords: Int32Array;
  private readonly control: NativeBuffer;
  private readonly controlWords: Int32Array;
  /** struct timespec. The lower words of the two fields suffice for any timeout. */
  private readonly timeout = new NativeBuffer(16);
  private readonly timeoutWords = words(this.timeout);
  private isPrecise = true;

  /** @param maxEvents maximum number of events returned by one wait() */
  constructor(maxEvents: number) {
    const fd = libc.epoll_create1(EPOLL_CLOEXEC);
    this.fd = fd < 0 ? -lastErrno() : fd;
    this.maxEvents = maxEvents;
    this.ready = new NativeBuffer(maxEvents * EPOLL_EVENT_WORDS * 4);
    this.readyWords = words(this.ready);
    this.control = new NativeBuffer(EPOLL_EVENT_WORDS * 4);
    this.controlWords = words(this.control);
  }

  /** @param data number returned with every event of this descriptor */
  add(fd: number, events: number, data: number): number {
    return this.change(EPOLL_CTL_ADD, fd, events, data);
  }

  modify(fd: number, events: number, data: number): number {
    return this.change(EPOLL_CTL_MOD, fd, events, data);
  }

  remove(fd: number): number {
    return this.change(EPOLL_CTL_DEL, fd, 0, 0);
  }

  /**
   * Waits for events.
   *
   * @param timeoutMs -1 waits forever; fractions are honoured since Linux 5.11 and rounded up by older kernels
   * @returns number of ready events; 0 after a timeout or an interruption by a signal
   * @throws {AppError} E_SYSTEM on any other failure, since the caller's loop would otherwise spin
   */
  wait(timeoutMs: number): number {
    if (this.isPrecise && !Number.isInteger(timeoutMs)) return this.waitPrecisely(timeoutMs);
    const count = libc.epoll_wait(this.fd, this.ready.address, this.maxEvents, Math.min(Math.ceil(timeoutMs), INT_MAX));
    return count >= 0 ? count : endedWait(lastErrno());
  }

  /** @see epoll_pwait2(2) */
  private waitPrecisely(timeoutMs: number): number {
    const seconds = Math.floor(timeoutMs / 1000);
    this.timeoutWords[TIMESPEC_SECONDS] = seconds;
    this.timeoutWords[TIMESPEC_NANOSECONDS] = (timeoutMs - seconds * 1000) * 1e6;
    const { ready, maxEvents, timeout } = this;
    const count = libc.syscall(SYS_EPOLL_PWAIT2, this.fd, ready.address, maxEvents, timeout.address, 0, 0);
    if (count >= 0) return count;
    const errno = lastErrno();
    // The kernel is older, or a seccomp filter does not know the call.
    if (errno !== ENOSYS && errno !== EPERM) return endedWait(errno);
    this.isPrecise = false;
    return this.wait(timeoutMs);
  }

  /** Returns the data registered for the descriptor of ready event `index`. */
  readyData(index: number): number {
    return this.readyWords[index * EPOLL_EVENT_WORDS + EPOLL_DATA_WORD]!;
  }

  /** Returns the EPOLL… bits of ready event `index`. */
  readyEvents(index: number): number {
    return this.readyWords[index * EPOLL_EVENT_WORDS]!;
  }

  close(): void {
    // Close only once, because by the second time the number may have been reused.
    if (!this.isClosed && this.fd >= 0) libc.close(this.fd);
    this.isClosed = true;
  }

  private change(operation: number, fd: number, events: number, data: number): number {
    this.controlWords[0] = events;
    this.controlWords[EPOLL_DATA_WORD] = data;
    return libc.epoll_ctl(this.fd, operation, fd, this.control.address) < 0 ? -lastErrno() : 0;
  }
}

function endedWait(errno: number): number {
  if (errno === EINTR) return 0;
  throw new AppError("E_SYSTEM", `epoll_wait failed: ${errnoName(errno)}`, {
    fix: "this is a bug in fourtuple; please report it",
    facts: { errno: errnoName(errno) },
  });
}

function words(buffer: NativeBuffer): Int32Array {
  return new Int32Array(buffer.bytes.buffer, buffer.bytes.byteOffset, buffer.bytes.length / 4);
}
