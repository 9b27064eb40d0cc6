// One epoll instance (man 7 epoll). Events are read in place: no object is made for one.
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

// Longest wait that epoll_wait() takes, in milliseconds.
const INT_MAX = 2 ** 31 - 1;
const TIMESPEC_SECONDS = 0;
const TIMESPEC_NANOSECONDS = 2;

/** Waits on many descriptors. Calls return 0 or a negative errno. */
export class Epoll {
  /** Negative errno when the set could not be made. */
  readonly fd: number;
  private isClosed = false;
  private readonly maxEvents: number;
  private readonly ready: NativeBuffer;
  private readonly readyWords: Int32Array;
  private readonly control: NativeBuffer;
  private readonly controlWords: Int32Array;
  /** struct timespec, of which the lower words are enough for any wait. */
  private readonly timeout = new NativeBuffer(16);
  private readonly timeoutWords = words(this.timeout);
  private isPrecise = true;

  /** @param maxEvents how many events one wait() returns at most */
  constructor(maxEvents: number) {
    const fd = libc.epoll_create1(EPOLL_CLOEXEC);
    this.fd = fd < 0 ? -lastErrno() : fd;
    this.maxEvents = maxEvents;
    this.ready = new NativeBuffer(maxEvents * EPOLL_EVENT_WORDS * 4);
    this.readyWords = words(this.ready);
    this.control = new NativeBuffer(EPOLL_EVENT_WORDS * 4);
    this.controlWords = words(this.control);
  }

  /** @param data a number that comes back with every event of this descriptor */
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
   * @param timeoutMs -1 waits for ever; a fraction is kept by Linux 5.11 and newer, and rounded up by older ones
   * @returns how many are ready, 0 when none came in time or a signal interrupted
   * @throws {AppError} E_SYSTEM for any other failure: a loop that went on would spin
   */
  wait(timeoutMs: number): number {
    if (this.isPrecise && !Number.isInteger(timeoutMs)) return this.waitPrecisely(timeoutMs);
    const count = libc.epoll_wait(this.fd, this.ready.address, this.maxEvents, Math.min(Math.ceil(timeoutMs), INT_MAX));
    return count >= 0 ? count : endedWait(lastErrno());
  }

  /** @see man 2 epoll_pwait2 */
  private waitPrecisely(timeoutMs: number): number {
    const seconds = Math.floor(timeoutMs / 1000);
    this.timeoutWords[TIMESPEC_SECONDS] = seconds;
    this.timeoutWords[TIMESPEC_NANOSECONDS] = (timeoutMs - seconds * 1000) * 1e6;
    const { ready, maxEvents, timeout } = this;
    const count = libc.syscall(SYS_EPOLL_PWAIT2, this.fd, ready.address, maxEvents, timeout.address, 0, 0);
    if (count >= 0) return count;
    const errno = lastErrno();
    // An older kernel, or a filter that does not know the call yet.
    if (errno !== ENOSYS && errno !== EPERM) return endedWait(errno);
    this.isPrecise = false;
    return this.wait(timeoutMs);
  }

  /** The number given with the descriptor of ready event `index`. */
  readyData(index: number): number {
    return this.readyWords[index * EPOLL_EVENT_WORDS + EPOLL_DATA_WORD]!;
  }

  /** The EPOLL… bits of ready event `index`. */
  readyEvents(index: number): number {
    return this.readyWords[index * EPOLL_EVENT_WORDS]!;
  }

  close(): void {
    // Once only: by a second time the number may be somebody else's.
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
