// The rings of one worker. RLIMIT_NOFILE bounds the files of one ring, so there are as many rings as the connections need. The worker
// waits in one of them, the newest, which polls the others: their completions are made when it enters them.
import { EPOLLIN } from "../../linux/syscalls/constants.js";
import { ECANCELED, errnoName } from "../../linux/syscalls/errno.js";
import { drain } from "../../linux/syscalls/eventfd.js";
import { SQE_FLAG } from "../../linux/uring/abi.js";
import { registerFiles } from "../../linux/uring/direct-files.js";
import { pushCancel, pushPollDescriptor } from "../../linux/uring/entries.js";
import { ProvidedBuffers } from "../../linux/uring/provided-buffers.js";
import { Ring } from "../../linux/uring/ring.js";
import { AppError } from "../../util/errors.js";
import { BUFFERS, COMPLETIONS, ENTRIES } from "./ring-size.js";
import { kindOf, TAG } from "./tags.js";

const BUFFER_BYTES = 256;
/** Buffers of the kind that floods are read into. */
const LARGE_BUFFERS = 32;
/** Room is made by handing entries over: the kernel takes all of them unless memory is short. */
const ATTEMPTS = 8;
const NO_SLOT = -1;

export const SMALL_GROUP = 0;
export const LARGE_GROUP = 1;
/** The number of the first large buffer: those below are small. */
export const FIRST_LARGE = BUFFERS;

/** One ring with its files and buffers. */
export interface RingUnit {
  readonly number: number;
  readonly ring: Ring;
  /** The slot of its first file. */
  readonly firstSlot: number;
  readonly small: ProvidedBuffers;
  large: ProvidedBuffers | undefined;
  /** Files in use, where the kernel chooses their places. */
  used: number;
  /** The newest ring has seen that this one has something to do. */
  isSignalled: boolean;
}

export class RingSet {
  readonly units: RingUnit[] = [];
  /** Slots that the rings have places for. */
  capacity = 0;
  /** Files of each ring. */
  readonly filesEach: number;
  private waiting: RingUnit | undefined;
  private readonly wakeFd: number;
  private readonly readBytes: number;

  constructor(filesEach: number, wakeFd: number, readBytes: number) {
    this.filesEach = filesEach;
    this.wakeFd = wakeFd;
    this.readBytes = readBytes;
  }

  /** The ring that the worker waits in. */
  get main(): RingUnit {
    return this.waiting!;
  }

  unitOf(slot: number): RingUnit {
    return this.units[Math.floor(slot / this.filesEach)]!;
  }

  /** Adds a ring, which becomes the one to wait in. @returns 0 or a negative errno */
  add(): number {
    const ring = Ring.open({ entries: ENTRIES, completions: COMPLETIONS });
    if (typeof ring === "number") return ring;
    const failed = registerFiles(ring, this.filesEach);
    const small = failed || ProvidedBuffers.register(ring, BUFFERS, BUFFER_BYTES, SMALL_GROUP);
    if (typeof small === "number") {
      ring.close();
      return small;
    }
    const number = this.units.length;
    const unit = { number, ring, firstSlot: this.capacity, small, large: undefined, used: 0, isSignalled: false };
    this.units.push(unit);
    this.capacity += this.filesEach;
    this.waitIn(unit);
    return 0;
  }

  /** From now on the worker waits in this one. */
  waitIn(unit: RingUnit): void {
    const before = this.waiting;
    this.waiting = unit;
    this.watchWakeUp();
    if (before) this.moveWatches(before);
  }

  /** Polls the wake-up; to be called again each time it has come. */
  private watchWakeUp(): void {
    const { main } = this;
    this.reserve(main, 1);
    pushPollDescriptor(main.ring, this.wakeFd, EPOLLIN, NO_SLOT, TAG.wakeUp);
  }

  /** Polls a ring that the worker does not wait in; to be called again each time it has had something to do. */
  watch({ number, ring }: RingUnit): void {
    const { main } = this;
    this.reserve(main, 1);
    pushPollDescriptor(main.ring, ring.fd, EPOLLIN, number, TAG.ring);
  }

  /** Hands over what is pending in all rings, and waits in one of them, unless something has come already. */
  enter(waitMs: number): void {
    const { units, main } = this;
    let isIdle = main.ring.ready === 0;
    if (units.length > 1) {
      for (const unit of units) {
        if (unit === main) continue;
        const { ring } = unit;
        // Work that an enter has left over does not wake the ring that polls this one.
        if (ring.pending > 0 || ring.hasWork) this.enterOne(unit, 0, 0);
        if (ring.ready > 0 || ring.hasWork) isIdle = false;
      }
    }
    if (!isIdle || waitMs === 0) this.enterOne(main, 0, 0);
    else this.enterOne(main, 1, waitMs === Number.POSITIVE_INFINITY ? -1 : waitMs);
  }

  /** @param least completions to wait for @throws {AppError} E_SYSTEM when the kernel takes nothing any more */
  enterOne({ ring }: RingUnit, least: number, waitMs: number): void {
    const failed = ring.enter(least, waitMs);
    // Entries that were not taken stay: short memory passes, and a ring that takes nothing is noticed when it is full.
    if (failed < 0 && ring.room === 0) throw enterFailed(failed);
  }

  /** The poll of the wake-up has completed. */
  wokenUp(unit: RingUnit, result: number): void {
    if (result <= 0) return;
    drain(this.wakeFd);
    if (unit === this.main) this.watchWakeUp();
  }

  /** The poll of ring `number` has completed. */
  signalled(unit: RingUnit, number: number, result: number): void {
    if (result > 0 && unit === this.main) this.units[number]!.isSignalled = true;
  }

  /** Makes room for `count` entries, which are then pushed as one chain. @throws {AppError} E_SYSTEM when the kernel takes none */
  reserve(unit: RingUnit, count: number): void {
    const { ring } = unit;
    if (ring.room >= count) return;
    let failed = 0;
    for (let n = 0; n < ATTEMPTS && ring.room < count; n++) failed = n === 0 ? ring.submit() : ring.enter(0, 0);
    if (ring.room >= count) return;
    throw enterFailed(failed);
  }

  /** Hands over what is pending, the last of it a request that the kernel answers at once. @returns its result, -ECANCELED if there is none */
  answerOf({ ring }: RingUnit, slot: number, kind: number): number {
    const before = ring.ready;
    const failed = ring.submit();
    for (let i = before; i < ring.ready; i++) {
      if (ring.slotAt(i) !== slot || kindOf(ring.tagAt(i)) !== kind) continue;
      ring.retag(i, TAG.ignored);
      return ring.resultAt(i);
    }
    return failed || -ECANCELED;
  }

  /** Completions of some ring wait in the kernel for room. */
  get hasOverflow(): boolean {
    for (const { ring } of this.units) {
      if (ring.hasOverflow) return true;
    }
    return false;
  }

  /** The buffers for connections that flood: made for the first one. @returns undefined when memory is short */
  largeBuffers(unit: RingUnit): ProvidedBuffers | undefined {
    if (unit.large) return unit.large;
    const buffers = ProvidedBuffers.register(unit.ring, LARGE_BUFFERS, this.readBytes, LARGE_GROUP, FIRST_LARGE);
    if (typeof buffers === "number") return undefined;
    unit.large = buffers;
    return buffers;
  }

  /** Ends all rings; the kernel ends what is in them a moment later. */
  close(): void {
    for (const { ring, small, large } of this.units) {
      ring.close();
      small.release();
      large?.release();
    }
  }

  /** What `before` waited for is waited for by another ring. */
  private moveWatches(before: RingUnit): void {
    this.cancel(before, NO_SLOT, TAG.wakeUp);
    for (const unit of this.units) {
      if (unit !== before) this.cancel(before, unit.number, TAG.ring);
      if (unit !== this.main) this.watch(unit);
    }
  }

  private cancel(unit: RingUnit, slot: number, tag: number): void {
    this.reserve(unit, 1);
    pushCancel(unit.ring, slot, tag, SQE_FLAG.skipSuccess, NO_SLOT, TAG.ignored);
  }
}

function enterFailed(result: number): AppError {
  const errno = errnoName(-result);
  return new AppError("E_SYSTEM", `io_uring_enter failed: ${errno}`, {
    fix: "free memory; if there is enough, this is a bug in fourtuple: please report it",
    facts: { errno },
  });
}
