// One io_uring (man 7 io_uring): entries are written into one typed array, completions read out of another, and one call, enter(), hands
// over the first and waits for the second. Nothing is thrown and no object made for an entry or a completion.

import { EBADF, EINTR, ETIME } from "../syscalls/errno.js";
import { lastErrno, libc } from "../syscalls/libc.js";
import { ENTER, GETEVENTS_ARG, PARAMS, SETUP, SQ_TASKRUN, SQE, SYS_IO_URING } from "./abi.js";
import { Completions, NO_WORDS } from "./completions.js";
import { NativeMemory } from "./native-memory.js";
import { mapRing, type RingMemory, SOCKADDR_WORDS, TIMESPEC_WORD } from "./ring-memory.js";
import { type NewRing, type RingOptions, setUpRing } from "./setup.js";

/** As many as the longest chain has steps. At most: a peer that keeps a ring at work is no reason to stay. */
const MORE_ENTERS = 16;

/**
 * A ring of the thread that opens it: no other may use it.
 */
export class Ring extends Completions {
  readonly fd: number;
  readonly entries: number;
  /** Whether completions are made in enter() only: time passes for the ring while the thread is there. */
  readonly defersWork: boolean;
  /** The words of all entries: push() returns where the newest begins. Empty once the ring is closed. */
  words: Int32Array = NO_WORDS;
  /** A sockaddr for each entry: see sockaddrWord. Empty once the ring is closed. */
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
   * @returns a negative errno: -EPERM where io_uring is forbidden, -ENOSYS where the kernel has none or too old a one, -ENOMEM when
   *   RLIMIT_MEMLOCK or memory is used up, -EMFILE when no descriptor is left
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

  /** Entries that can be pushed before the next enter(). */
  get room(): number {
    return this.entries - this.pending;
  }

  /** Whether there is work for another enter(). */
  get hasWork(): boolean {
    return (this.queue[this.sqFlagsWord]! & SQ_TASKRUN) !== 0;
  }

  /** Entries pushed that the kernel has not taken yet. */
  get pending(): number {
    return (this.sqTail - this.queue[this.sqHeadWord]!) | 0;
  }

  /**
   * Writes one entry; there must be room. What is not named is zero.
   *
   * @param head opcode | IOSQE_… << 8 | ioprio << 16
   * @param slot comes back with its completions, as does `tag`
   * @returns the index in `words` of its first word
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

  /** Where in `sockaddrs` the next entry may put an address; it stays until that entry is submitted. */
  get sockaddrWord(): number {
    return (this.sqTail & this.sqMask) * SOCKADDR_WORDS;
  }

  /** The address of word `word` of `sockaddrs`. */
  sockaddrAddress(word: number): number {
    return this.sockaddrBase + word * 4;
  }

  /**
   * Hands over what was pushed, waits, and counts the completions that are there.
   *
   * @param least how many completions to wait for, those that are there already included
   * @param timeoutMs -1 waits for ever; 0 does not wait, but lets the ring work
   * @returns 0, also when time is up or a signal interrupted; or a negative errno: entries that the kernel did not take stay pending
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
    this.look();
    return failed;
  }

  /**
   * Hands over what was pushed, and no more: what the kernel can do at once is done, and completed where there is room.
   *
   * @returns 0 or a negative errno: entries that the kernel did not take stay pending
   */
  submit(): number {
    if (this.isClosed) return -EBADF;
    const { queue } = this;
    Atomics.store(queue, this.sqTailWord, this.sqTail);
    const result = libc.syscall(SYS_IO_URING.enter, this.fd, this.pending, 0, 0, 0, 0);
    const failed = result < 0 ? endedEnter(lastErrno()) : 0;
    this.look();
    return failed;
  }

  /** The kernel leaves off after a step of each chain: it goes on at once, which costs less than another turn of our caller. */
  private finishWork(): void {
    for (let n = 0; n < MORE_ENTERS && (Atomics.load(this.queue, this.sqFlagsWord) & SQ_TASKRUN) !== 0; n++) {
      libc.syscall(SYS_IO_URING.enter, this.fd, 0, 0, ENTER.getEvents, 0, 0);
    }
  }

  /** Ends the ring, and with it all that is under way in it and all files registered in it: the kernel does so a moment later. */
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
