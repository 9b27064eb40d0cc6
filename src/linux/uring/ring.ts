// An io_uring (io_uring(7)). Entries are written to one typed array, and completions are read from another. A single
// call of enter() submits entries and waits for completions. Handling entries and completions neither throws nor
// allocates.

import { EBADF, EINTR, ETIME } from "../syscalls/errno.js";
import { lastErrno, libc } from "../syscalls/libc.js";
import { ENTER, GETEVENTS_ARG, PARAMS, SETUP, SQ_CQ_OVERFLOW, SQ_TASKRUN, SQE, SYS_IO_URING } from "./abi.js";
import { Completions, NO_WORDS } from "./completions.js";
import { NativeMemory } from "./native-memory.js";
import { mapRing, type RingMemory, SOCKADDR_WORDS, TIMESPEC_WORD } from "./ring-memory.js";
import { type NewRing, type RingOptions, setUpRing } from "./setup.js";

/**
 * Maximum number of extra enters, one per step of the longest chain. The limit keeps a busy peer from monopolizing the
 * thread.
 */
const MORE_ENTERS = 16;

/** A ring may only be used by the thread that opened it. */
export class Ring extends Completions {
  readonly fd: number;
  readonly entries: number;
  /** Whether completions are only posted in enter(). */
  readonly defersWork: boolean;
  /**
   * The words of all entries; push() returns the index of the newest entry's first word. Empty once the ring is closed.
   */
  words: Int32Array = NO_WORDS;
  /** A sockaddr for each entry; see sockaddrWord. Empty once the ring is closed. */
  sockaddrs: Int32Array = NO_WORDS;
  private readonly memory = new NativeMemory();
  private wait: Int32Array = NO_WORDS;
  private waitAddress = 0;
  private sockaddrBase = 0;
  private readonly sqMask: number;
  private readonly sqHeadWord: number;
  private readonly sqTailWord: number;
  private sqTail = 0;
  private isClosed = false;

  /**
   * @returns a negative errno: -EPERM if io_uring is forbidden, -ENOSYS if the kernel lacks io_uring or is too old,
   *   -ENOMEM if RLIMIT_MEMLOCK or memory is exhausted, -EMFILE if no descriptor is left
   */
  static open(options: RingOptions): Ring | number {
    const made = setUpRing(options);
    if (typeof made === "number") return made;
    const ring = new Ring(made);
    const memory = mapRing(made, ring.memory);
    if (typeof memory !== "number") {
      ring.take(memory);
      return ring;
    }
    ring.close();
    return memory;
  }

  private constructor({ fd, params }: NewRing) {
    super(params);
    const word = (offset: number): number => params.readUInt32LE(offset) / 4;
    this.fd = fd;
    this.defersWork = (params.readUInt32LE(PARAMS.flags) & SETUP.deferTaskrun) !== 0;
    this.entries = params.readUInt32LE(PARAMS.sqEntries);
    this.sqMask = this.entries - 1;
    this.sqHeadWord = word(PARAMS.sqHead);
    this.sqTailWord = word(PARAMS.sqTail);
  }

  private take({ queue, entries, wait, waitAddress, sockaddrs, sockaddrBase }: RingMemory): void {
    this.begin(queue);
    this.words = entries;
    this.wait = wait;
    this.waitAddress = waitAddress;
    this.sockaddrs = sockaddrs;
    this.sockaddrBase = sockaddrBase;
    this.sqTail = queue[this.sqTailWord]!;
  }

  /** Number of entries that can be pushed before the next enter(). */
  get room(): number {
    return this.entries - this.pending;
  }

  /**
   * Whether another enter() would return completions without waiting. Reads memory shared with the kernel, so the
   * answer is current.
   */
  get hasWork(): boolean {
    return (this.queue[this.sqFlagsWord]! & (SQ_TASKRUN | SQ_CQ_OVERFLOW)) !== 0 || this.hasUnseen;
  }

  /** Number of pushed entries that the kernel has not consumed. */
  get pending(): number {
    return (this.sqTail - this.queue[this.sqHeadWord]!) | 0;
  }

  /**
   * Writes an entry, for which there must be room. Fields without a parameter are set to zero.
   *
   * @param head opcode | IOSQE_… << 8 | ioprio << 16
   * @param slot returned with its completions, together with `tag`
   * @returns index of the entry's first word in `words`
   */
  push(
    head: number,
    fd: number,
    offset: number,
    address: number,
    length: number,
    flags: number,
    slot: number,
    tag: number,
  ): number {
    const words = this.words;
    const at = (this.sqTail & this.sqMask) * SQE.words;
    this.sqTail = (this.sqTail + 1) | 0;
    words[at] = head;
    words[at + SQE.fd] = fd;
    words[at + SQE.offset] = offset;
    words[at + SQE.offset + 1] = 0;
    words[at + SQE.address] = address | 0;
    words[at + SQE.address + 1] = (address / 2 ** 32) | 0;
    words[at + SQE.length] = length;
    words[at + SQE.flags] = flags;
    words[at + SQE.userData] = slot;
    words[at + SQE.userData + 1] = tag;
    words[at + SQE.bufferGroup] = 0;
    words[at + SQE.fileIndex] = 0;
    words[at + SQE.address3] = 0;
    words[at + SQE.address3 + 1] = 0;
    words[at + SQE.address3 + 2] = 0;
    words[at + SQE.address3 + 3] = 0;
    return at;
  }

  /** Index in `sockaddrs` at which to write the next entry's address, which must not change before submission. */
  get sockaddrWord(): number {
    return (this.sqTail & this.sqMask) * SOCKADDR_WORDS;
  }

  /** Returns the address of element `word` of `sockaddrs`. */
  sockaddrAddress(word: number): number {
    return this.sockaddrBase + word * 4;
  }

  /**
   * Submits pushed entries, waits, and updates the number of available completions.
   *
   * @param least number of completions to wait for, including those already available
   * @param timeoutMs -1 waits forever; 0 does not wait but runs pending work
   * @returns 0, also after a timeout or an interruption by a signal, or a negative errno; entries that were not
   *   consumed stay pending
   */
  enter(least: number, timeoutMs: number): number {
    if (this.isClosed) return -EBADF;
    const queue = this.queue;
    Atomics.store(queue, this.sqTailWord, this.sqTail);
    const pending = (this.sqTail - queue[this.sqHeadWord]!) | 0;
    let result: number;
    if (timeoutMs > 0) {
      const seconds = Math.floor(timeoutMs / 1000);
      this.wait[TIMESPEC_WORD] = seconds;
      this.wait[TIMESPEC_WORD + 2] = (timeoutMs - seconds * 1000) * 1e6;
      result = libc.syscall(
        SYS_IO_URING.enter,
        this.fd,
        pending,
        least,
        ENTER.getEvents | ENTER.extArg,
        this.waitAddress,
        GETEVENTS_ARG.bytes,
      );
    } else {
      result = libc.syscall(SYS_IO_URING.enter, this.fd, pending, timeoutMs < 0 ? least : 0, ENTER.getEvents, 0, 0);
    }
    const failed = result < 0 ? endedEnter(lastErrno()) : 0;
    this.finishWork();
    this.refresh();
    return failed;
  }

  /**
   * Submits pushed entries only. Operations that can complete immediately do so, and their completions are posted if
   * the queue has room.
   *
   * @returns 0 or a negative errno; entries that were not consumed stay pending
   */
  submit(): number {
    if (this.isClosed) return -EBADF;
    const { queue } = this;
    Atomics.store(queue, this.sqTailWord, this.sqTail);
    const result = libc.syscall(SYS_IO_URING.enter, this.fd, this.pending, 0, 0, 0, 0);
    const failed = result < 0 ? endedEnter(lastErrno()) : 0;
    this.refresh();
    return failed;
  }

  /**
   * The kernel stops after each step of a chain. Entering again here is cheaper than another round through the caller's
   * loop.
   *
   * The flag is cleared here because it can outlive the work: a CPU that queues work sets the flag only afterwards
   * (io_req_local_work_add() in the kernel), by which time this thread may have done that work. The kernel clears the
   * flag only when it has work to do, so an idle ring would seem busy forever. It sets the flag again for work that it
   * leaves undone.
   */
  private finishWork(): void {
    const { queue, sqFlagsWord } = this;
    for (let n = 0; n < MORE_ENTERS && (Atomics.load(queue, sqFlagsWord) & SQ_TASKRUN) !== 0; n++) {
      Atomics.and(queue, sqFlagsWord, ~SQ_TASKRUN);
      libc.syscall(SYS_IO_URING.enter, this.fd, 0, 0, ENTER.getEvents, 0, 0);
    }
  }

  /** Closes the ring. The kernel ends the ring's requests and closes its registered files asynchronously. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.end();
    this.words = NO_WORDS;
    this.sockaddrs = NO_WORDS;
    this.wait = NO_WORDS;
    this.memory.release();
    libc.close(this.fd);
  }
}

function endedEnter(errno: number): number {
  return errno === EINTR || errno === ETIME ? 0 : -errno;
}
